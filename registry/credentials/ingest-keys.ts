import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import type { Actor } from '../audit-log.ts'
import type { IngestKey, Registry } from '../registry.ts'
import { hashCredential, lastFour, newCredential, prefixOf } from './credentials.ts'

/** Makes a key that may send events. It is shown here and never again. Throws StoreError. */
export function createIngestKey(registry: Registry, actor: Actor, asked: { name: string }): Promise<{ id: string; key: string }> {
  const id = randomUUID()
  const key = newCredential('ingestKey')
  const fields = [hashCredential(registry.pepper, key), id, 1, asked.name, prefixOf(key), lastFour(key), Date.now(), null]
  return registry.changes.run(actor, async (change) => {
    await change.note({ action: 'ingest-key.create', subject: id, details: { name: asked.name } })
    await change.write('ingest_keys_inbox_v1', KEY_COLUMNS, (owner) => row([...owner, ...fields]))
    return { id, key }
  })
}

const KEY_COLUMNS = ['hash', 'key_id', 'revision', 'name', 'prefix', 'last_four', 'created_ms', 'revoked_ms']

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
