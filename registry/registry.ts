import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { defineQuery } from '../sql/query.ts'
import { row } from '../sql/tab-separated.ts'
import { RegistryChanges } from './changes.ts'
import { Recent } from './recent.ts'
import { type MasterKey, SealBroken, seal, unseal } from './sealing.ts'

export const PARTNER_MODES = ['white-label', 'co-branded'] as const
export type PartnerMode = (typeof PARTNER_MODES)[number]

export interface Partner {
  readonly id: string
  readonly name: string
  readonly mode: PartnerMode
}

export interface IngestKey {
  readonly id: string
  readonly name: string
}

/** Who exists. Opened once where a process starts, and handed to the verbs of this room. */
export interface Registry {
  readonly clickhouse: ClickHouse
  readonly masterKey: MasterKey
  readonly pepper: Buffer
  readonly projectHost: string
  readonly changes: RegistryChanges
  /** Only successful look-ups are kept: a wrong secret costs the same query whether or not the partner exists. */
  readonly recentPartners: Recent<Partner>
  readonly recentIngestKeys: Recent<IngestKey>
}

export interface RegistryOptions {
  readonly clickhouse: ClickHouse
  readonly masterKey: MasterKey
  /** Template of a project's host: {slug} and {region} are filled in. */
  readonly projectHost: string
}

/** Throws when MASTER_KEY is not the one the database was sealed with: no credential could be told, none may be made. */
export async function openRegistry({ clickhouse, masterKey, projectHost }: RegistryOptions): Promise<Registry> {
  return {
    clickhouse,
    masterKey,
    projectHost,
    pepper: await loadPepper(clickhouse, masterKey),
    changes: new RegistryChanges(clickhouse),
    recentPartners: new Recent({ keepMs: CREDENTIAL_KEEP_MS, entriesMax: CREDENTIALS_KEPT_MAX }),
    recentIngestKeys: new Recent({ keepMs: CREDENTIAL_KEEP_MS, entriesMax: CREDENTIALS_KEPT_MAX }),
  }
}

/** A revoked credential works for at most this long in processes other than the one that revoked it. */
const CREDENTIAL_KEEP_MS = 5_000
const CREDENTIALS_KEPT_MAX = 10_000
const PEPPER = 'pepper'
const PEPPER_BYTES = 32

async function loadPepper(clickhouse: ClickHouse, masterKey: MasterKey): Promise<Buffer> {
  const stored = await firstSealed(clickhouse, PEPPER)
  if (stored !== undefined) return openPepper(masterKey, stored)
  await clickhouse.registry.insert({
    table: 'sealed_keys_v1',
    columns: ['name', 'sealed'],
    text: row([PEPPER, seal(masterKey, randomBytes(PEPPER_BYTES), PEPPER)]),
  })
  const first = await firstSealed(clickhouse, PEPPER)
  if (first === undefined) throw new Error('The pepper was acknowledged but is not stored.')
  return openPepper(masterKey, first)
}

function openPepper(masterKey: MasterKey, sealed: string): Buffer {
  try {
    return unseal(masterKey, sealed, PEPPER)
  } catch (error) {
    if (!(error instanceof SealBroken)) throw error
    throw new Error(
      'MASTER_KEY is not the key this database was sealed with. Start with the key it was first started with (in embedded mode the file master-key in DATA_DIR). Nothing was changed.',
      { cause: error },
    )
  }
}

async function firstSealed(clickhouse: ClickHouse, name: string): Promise<string | undefined> {
  const [first] = await clickhouse.registry.query(sealedKey, { name })
  return first?.sealed
}

const sealedKey = defineQuery({
  name: 'sealed_key',
  sql: 'SELECT sealed FROM sealed_keys_v1 WHERE name = {name: String} ORDER BY created_at, sealed LIMIT 1',
  params: z.object({ name: z.string() }),
  row: z.object({ sealed: z.string() }),
})
