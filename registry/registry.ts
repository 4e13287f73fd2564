import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { PartnerMode } from '../contract/fields.ts'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { defineQuery } from '../sql/query.ts'
import { row } from '../sql/tab-separated.ts'
import { RegistryChanges } from './changes.ts'
import { LastUsed } from './credentials/last-used.ts'
import { RecentSigningKeys } from './keys/recent-signing-keys.ts'
import { type MasterKeys, SealBroken, seal, unseal } from './keys/sealing.ts'
import { ProjectOwners } from './projects/project-owners.ts'
import { Recent } from './recent.ts'

export interface Partner {
  readonly id: string
  readonly name: string
  readonly mode: PartnerMode
  /** Since when it is let in no more, in ms since 1970; null: it is let in. */
  readonly disabledMs: number | null
}

/** A partner, and the secret that proved it. */
export interface ProvenPartner {
  readonly partner: Partner
  readonly secretId: string
  /** When that secret ends, in ms since 1970; null: it does not. */
  readonly expiresMs: number | null
}

export interface IngestKey {
  readonly id: string
  readonly name: string
  /** Partners for whose projects alone it may send; empty: for all projects. */
  readonly partnerIds: readonly string[]
}

/** Who exists. Opened once where a process starts, and handed to the verbs of this room. */
export interface Registry {
  readonly clickhouse: ClickHouse
  readonly masterKeys: MasterKeys
  readonly pepper: Buffer
  readonly projectHost: string
  /** Where the service is reached from outside: the issuer of its tokens. */
  readonly publicUrl: string
  /** Whether lifecycle changes are handed over to the platform, and done when it says so. */
  readonly provisions: boolean
  readonly changes: RegistryChanges
  /** Only successful look-ups are kept: a wrong secret costs the same query whether or not the partner exists. */
  readonly recentPartners: Recent<ProvenPartner>
  readonly recentIngestKeys: Recent<IngestKey>
  /** What tokens are signed with, and told by. */
  readonly signingKeys: RecentSigningKeys
  /** ms since 1970: by which keys take turns and tokens end. */
  readonly now: () => number
  readonly lastUsed: LastUsed
  readonly projectOwners: ProjectOwners
}

export interface RegistryOptions {
  readonly clickhouse: ClickHouse
  readonly masterKeys: MasterKeys
  /** Template of a project's host: {slug} and {region} are filled in. */
  readonly projectHost: string
  readonly publicUrl: string
  readonly provisions: boolean
  /** Default: the clock of this machine. */
  readonly now?: (() => number) | undefined
}

/** Throws when MASTER_KEY is not the one the database was sealed with: no credential could be told, none may be made. */
export async function openRegistry(options: RegistryOptions): Promise<Registry> {
  const { clickhouse, masterKeys, now = Date.now } = options
  return {
    ...options,
    pepper: await loadPepper(clickhouse, masterKeys),
    changes: new RegistryChanges(clickhouse),
    recentPartners: new Recent({ keepMs: CREDENTIAL_KEEP_MS, entriesMax: CREDENTIALS_KEPT_MAX }),
    recentIngestKeys: new Recent({ keepMs: CREDENTIAL_KEEP_MS, entriesMax: CREDENTIALS_KEPT_MAX }),
    signingKeys: new RecentSigningKeys({ clickhouse, masterKeys, now }),
    now,
    lastUsed: new LastUsed(clickhouse),
    projectOwners: new ProjectOwners(clickhouse),
  }
}

/** Whether anything in this database needs the master key it was sealed with. Throws StoreError. */
export async function isSealed(clickhouse: ClickHouse): Promise<boolean> {
  return (await firstSealed(clickhouse, PEPPER)) !== undefined
}

/** A revoked credential works for at most this long in processes other than the one that revoked it. */
const CREDENTIAL_KEEP_MS = 1_000
const CREDENTIALS_KEPT_MAX = 10_000
const PEPPER = 'pepper'
const PEPPER_BYTES = 32

async function loadPepper(clickhouse: ClickHouse, masterKeys: MasterKeys): Promise<Buffer> {
  const stored = await firstSealed(clickhouse, PEPPER)
  if (stored !== undefined) return openPepper(masterKeys, stored)
  await refuseIfCredentialsAreThere(clickhouse)
  await clickhouse.registry.insert({
    table: 'sealed_keys_v1',
    columns: ['name', 'sealed'],
    text: row([PEPPER, seal(masterKeys, randomBytes(PEPPER_BYTES), PEPPER)]),
  })
  const first = await firstSealed(clickhouse, PEPPER)
  if (first === undefined) throw new Error('The pepper was acknowledged but is not stored.')
  return openPepper(masterKeys, first)
}

/** Under another pepper none of the credentials that are stored would ever be told again. */
async function refuseIfCredentialsAreThere(clickhouse: ClickHouse): Promise<void> {
  const [counted] = await clickhouse.registry.query(storedCredentials, {})
  if (counted?.credentials === 0) return
  throw new Error(
    'The table sealed_keys_v1 has lost the pepper under which the stored credentials are hashed, as a backup restored in part would. Restore the table from the same backup as partner_secrets_v1 and ingest_keys_v1. Nothing was changed.',
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
      'MASTER_KEY is not the key this database was sealed with. Start with the key that it is sealed with (in embedded mode the file master-key in DATA_DIR, unless it was exchanged); while keys are exchanged, with both. Nothing was changed.',
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
  sql: 'SELECT sealed FROM sealed_keys_v1 WHERE name = {name: String} ORDER BY rewrapped DESC, created_at, sealed LIMIT 1',
  params: z.object({ name: z.string() }),
  row: z.object({ sealed: z.string() }),
})
