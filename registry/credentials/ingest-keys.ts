import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import type { Actor } from '../audit-log.ts'
import type { Change, RegistryReads, RegistryStore } from '../changes.ts'
import type { CredentialCache } from './credential-cache.ts'
import { hashCredential, isCredential, lastFour, newCredential, prefixOf } from './credentials.ts'
import type { LastUsed } from './last-used.ts'

export interface IngestKey {
  readonly id: string
  readonly name: string
  /** The partners for whose projects the key may send events; empty: for all projects. */
  readonly partnerIds: readonly string[]
}

/** An ingest key as it is stored: its hash and its scope, never the key. */
export interface StoredIngestKey extends IngestKey {
  readonly revision: number
  readonly hash: string
  readonly prefix: string
  readonly lastFour: string
  /** In ms since 1970, like all times here. */
  readonly createdMs: number
  readonly revokedMs: number | null
}

/** What it takes to verify an ingest key. */
export interface KeyAuthentication extends RegistryReads {
  readonly pepper: Buffer
  readonly ingestKeyCache: CredentialCache<IngestKey>
  readonly lastUsed: LastUsed
}

/**
 * Creates a key that may send events of all projects, or only of projects of these partners, which must exist. The key is
 * returned here only; just its hash is stored. Throws StoreError.
 */
export function createIngestKey(
  registry: RegistryStore & Pick<KeyAuthentication, 'pepper'>,
  actor: Actor,
  { name, partnerIds }: { name: string; partnerIds: readonly string[] },
): Promise<{ id: string; key: string }> {
  const id = randomUUID()
  const key = newCredential('ingestKey')
  const identification = { hash: hashCredential(registry.pepper, key), prefix: prefixOf(key), lastFour: lastFour(key) }
  const stored = { id, name, partnerIds, ...identification, revision: 1, createdMs: Date.now(), revokedMs: null }
  return registry.changes.run(actor, async (change) => {
    await change.note({ action: 'ingest-key.create', subject: id, details: { name, partner_ids: partnerIds } })
    await writeIngestKey(change, stored)
    return { id, key }
  })
}

/** Revokes a key: immediately in this process, and within one second in others. Undefined when no key has this id. Throws StoreError. */
export function revokeIngestKey(
  registry: RegistryStore & Pick<KeyAuthentication, 'ingestKeyCache'>,
  actor: Actor,
  keyId: string,
): Promise<{ revokedMs: number } | undefined> {
  const revoking = registry.changes.run(actor, async (change) => {
    const known = await findIngestKey(registry, keyId)
    if (known === undefined) return undefined
    if (known.revokedMs !== null) return { revokedMs: known.revokedMs }
    const revokedMs = Date.now()
    await change.note({ action: 'ingest-key.revoke', subject: keyId })
    await writeIngestKey(change, { ...known, revision: known.revision + 1, revokedMs })
    return { revokedMs }
  })
  // Also after a failure: the rows may have landed all the same.
  return revoking.finally(() => registry.ingestKeyCache.clear())
}

export async function findIngestKey({ clickhouse }: RegistryReads, keyId: string): Promise<StoredIngestKey | undefined> {
  const [key] = await clickhouse.registry.query(ingestKeyById, { keyId })
  return key
}

/** Oldest first, including revoked keys, after the last key of the previous page. Throws StoreError. */
export function listIngestKeys(
  { clickhouse }: RegistryReads,
  { after, limit }: { after: { createdMs: number; id: string }; limit: number },
): Promise<StoredIngestKey[]> {
  return clickhouse.registry.query(ingestKeysInOrder, { afterMs: after.createdMs, afterId: after.id, limit })
}

/** Undefined when the key is unknown or revoked. A text without the form of a key is not looked up. Throws StoreError. */
export async function authenticateIngestKey(registry: KeyAuthentication, key: string): Promise<IngestKey | undefined> {
  if (!isCredential('ingestKey', key)) return undefined
  const hash = hashCredential(registry.pepper, key)
  const found = await registry.ingestKeyCache.find(hash, async () => (await registry.clickhouse.registry.query(livingIngestKey, { hash }))[0])
  if (found !== undefined) registry.lastUsed.note(found.id)
  return found
}

async function writeIngestKey(change: Change, key: StoredIngestKey): Promise<void> {
  const { hash, id, revision, name, prefix, lastFour, partnerIds, createdMs, revokedMs } = key
  // Partner ids contain no character that would need escaping.
  const fields = [hash, id, revision, name, prefix, lastFour, `[${partnerIds.map((each) => `'${each}'`).join(',')}]`, createdMs, revokedMs]
  await change.write('ingest_keys_inbox_v1', KEY_COLUMNS, (owner) => row([...owner, ...fields]))
}

const KEY_COLUMNS = ['hash', 'key_id', 'revision', 'name', 'prefix', 'last_four', 'partner_ids', 'created_ms', 'revoked_ms']

const livingIngestKey = defineQuery({
  name: 'living_ingest_key',
  sql: 'SELECT key_id AS id, name, partner_ids AS partnerIds FROM ingest_keys_v1 FINAL WHERE hash = {hash: String} AND revoked_at IS NULL',
  params: z.object({ hash: z.string() }),
  row: z.object({ id: z.string(), name: z.string(), partnerIds: z.array(z.string()) }),
})

const KEY_SELECT = `SELECT key_id AS id, hash, revision, name, prefix, last_four AS lastFour, partner_ids AS partnerIds,
          toUnixTimestamp64Milli(created_at) AS createdMs, toUnixTimestamp64Milli(revoked_at) AS revokedMs
        FROM ingest_keys_v1 FINAL`

const StoredKeyRow = z.object({
  id: z.string(),
  hash: z.string(),
  revision: z.coerce.number(),
  name: z.string(),
  prefix: z.string(),
  lastFour: z.string(),
  partnerIds: z.array(z.string()),
  createdMs: z.coerce.number(),
  revokedMs: z.coerce.number().nullable(),
})

const ingestKeyById = defineQuery({
  name: 'ingest_key_by_id',
  sql: `${KEY_SELECT} WHERE key_id = {keyId: String}`,
  params: z.object({ keyId: z.string() }),
  row: StoredKeyRow,
})

const ingestKeysInOrder = defineQuery({
  name: 'ingest_keys_in_order',
  sql: `${KEY_SELECT} WHERE (toUnixTimestamp64Milli(created_at), key_id) > ({afterMs: Int64}, {afterId: String})
        ORDER BY created_at, key_id LIMIT {limit: UInt64}`,
  params: z.object({ afterMs: z.number(), afterId: z.string(), limit: z.number() }),
  row: StoredKeyRow,
})
