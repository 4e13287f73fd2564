import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { row } from '../../sql/tab-separated.ts'
import { SERVICE } from '../audit-log.ts'
import type { Change, SealingStore } from '../changes.ts'
import { type MasterKeys, SealBroken, seal, unseal } from './sealing.ts'

/**
 * The pepper under which credentials are hashed; the first process that opens a new database creates it, under the lease of the
 * registry, so that all processes have the same one. Throws StoreError, and Error when MASTER_KEY does not open it: then no
 * credential can be verified, and none may be created.
 */
export async function loadPepper({ clickhouse, changes, masterKeys }: SealingStore): Promise<Buffer> {
  const sealed = (await readSealedPepper(clickhouse)) ?? (await changes.run(SERVICE, (change) => createPepperOnce(clickhouse, masterKeys, change)))
  return openPepper(masterKeys, sealed)
}

async function createPepperOnce(clickhouse: ClickHouse, masterKeys: MasterKeys, change: Change): Promise<string> {
  const stored = await readSealedPepper(clickhouse)
  if (stored !== undefined) return stored
  await requireNoCredentials(clickhouse)
  const sealed = seal(masterKeys, randomBytes(PEPPER_BYTES), PEPPER)
  await writeSealedKey(change, { name: PEPPER, sealed, rewrapped: 0 })
  return sealed
}

/** `rewrapped` is how often another master key has sealed the same bytes anew: the greatest number is read. */
export async function writeSealedKey(change: Pick<Change, 'write'>, key: { name: string; sealed: string; rewrapped: number }): Promise<void> {
  const { name, sealed, rewrapped } = key
  await change.write('sealed_keys_inbox_v1', ['name', 'sealed', 'rewrapped'], (owner) => row([...owner, name, sealed, rewrapped]))
}

/** Whether this database holds anything that only its master key opens. Throws StoreError. */
export async function isSealed(clickhouse: ClickHouse): Promise<boolean> {
  return (await readSealedPepper(clickhouse)) !== undefined
}

const PEPPER = 'pepper'
const PEPPER_BYTES = 32

/** With another pepper none of the stored credentials could ever be verified again. */
async function requireNoCredentials(clickhouse: ClickHouse): Promise<void> {
  const { credentials } = await queryOne(clickhouse.registry, storedCredentials, {})
  if (credentials === 0) return
  throw new Error(
    'The table sealed_keys_v1 has lost the pepper under which the stored credentials are hashed, for example after a partial restore. Restore the table from the same backup as partner_secrets_v1 and ingest_keys_v1. Nothing was changed.',
  )
}

const storedCredentials = defineQuery({
  name: 'stored_credentials',
  sql: 'SELECT (SELECT count() FROM partner_secrets_v1) + (SELECT count() FROM ingest_keys_v1) AS credentials',
  params: z.object({}),
  row: z.object({ credentials: z.coerce.number() }),
})

function openPepper(masterKeys: MasterKeys, sealed: string): Buffer {
  try {
    return unseal(masterKeys, sealed, PEPPER)
  } catch (error) {
    if (!(error instanceof SealBroken)) throw error
    throw new Error(
      'MASTER_KEY is not the key this database was sealed with. Start with that key (in embedded mode the file master-key in DATA_DIR, unless it was exchanged); during an exchange of keys, start with both. Nothing was changed.',
      { cause: error },
    )
  }
}

async function readSealedPepper(clickhouse: ClickHouse): Promise<string | undefined> {
  const [first] = await clickhouse.registry.query(sealedKey, { name: PEPPER })
  return first?.sealed
}

const sealedKey = defineQuery({
  name: 'sealed_key',
  sql: 'SELECT sealed FROM sealed_keys_v1 WHERE name = {name: String} ORDER BY rewrapped DESC, created_at, sealed LIMIT 1',
  params: z.object({ name: z.string() }),
  row: z.object({ sealed: z.string() }),
})
