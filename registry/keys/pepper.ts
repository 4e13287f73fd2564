import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { row } from '../../sql/tab-separated.ts'
import { type MasterKeys, SealBroken, seal, unseal } from './sealing.ts'

/**
 * The pepper under which credentials are hashed; the first process that opens a new database creates it. Throws StoreError,
 * and Error when MASTER_KEY does not open it: then no credential can be verified, and none may be created.
 */
export async function loadPepper(clickhouse: ClickHouse, masterKeys: MasterKeys): Promise<Buffer> {
  const stored = await readSealedPepper(clickhouse)
  if (stored !== undefined) return openPepper(masterKeys, stored)
  await requireNoCredentials(clickhouse)
  await clickhouse.registry.insert({
    table: 'sealed_keys_v1',
    columns: ['name', 'sealed'],
    text: row([PEPPER, seal(masterKeys, randomBytes(PEPPER_BYTES), PEPPER)]),
  })
  // Read back: when several processes open a new database at the same time, all of them use the pepper that sorts first.
  const first = await readSealedPepper(clickhouse)
  if (first === undefined) throw new Error('The pepper was acknowledged but is not stored.')
  return openPepper(masterKeys, first)
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
