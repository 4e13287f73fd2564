import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { defineQuery } from '../sql/query.ts'
import { row } from '../sql/tab-separated.ts'
import { hashCredential, lastFour, newCredential } from './credentials.ts'
import type { IngestKey, Registry } from './registry.ts'

/** Makes a key that may send events. It is shown here and never again. Throws StoreError. */
export async function createIngestKey(registry: Registry, name: string): Promise<{ id: string; key: string }> {
  const id = randomUUID()
  const key = newCredential('ingestKey')
  await registry.clickhouse.registry.insert({
    table: 'ingest_keys_v1',
    columns: ['hash', 'key_id', 'revision', 'name', 'last_four', 'created_at'],
    text: row([hashCredential(registry.pepper, key), id, 1, name, lastFour(key), Date.now() / 1000]),
  })
  return { id, key }
}

export async function authenticateIngestKey(registry: Registry, key: string): Promise<IngestKey | undefined> {
  const hash = hashCredential(registry.pepper, key)
  const recent = registry.recentIngestKeys.get(hash)
  if (recent !== undefined) return recent
  const [found] = await registry.clickhouse.registry.query(livingIngestKey, { hash })
  if (found !== undefined) registry.recentIngestKeys.set(hash, found)
  return found
}

const livingIngestKey = defineQuery({
  name: 'living_ingest_key',
  sql: 'SELECT key_id AS id, name FROM ingest_keys_v1 FINAL WHERE hash = {hash: String} AND revoked_at IS NULL',
  params: z.object({ hash: z.string() }),
  row: z.object({ id: z.string(), name: z.string() }),
})
