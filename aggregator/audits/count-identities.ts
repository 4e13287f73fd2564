import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'

/**
 * By how many rows the index of identities is behind raw; 0 while it is being completed. No row is read. An identity that the index
 * lacks would pass as new, and its duplicate would be billed. Throws StoreError.
 */
export async function countMissingIdentities({ reads }: ClickHouse): Promise<number> {
  if ((await reads.query(completeMark, {})).length === 0) return 0
  const { events } = await queryOne(reads, rawEvents, {})
  // Counted second: what is inserted meanwhile can only make the index look larger.
  const { identities } = await queryOne(reads, indexedIdentities, {})
  return Math.max(0, events - identities)
}

/** From its next acquisition of a lease on, a process does not trust the index before it has added what is missing. Throws StoreError. */
export async function requestIndexing({ reads }: ClickHouse): Promise<void> {
  await reads.command('TRUNCATE TABLE identity_hash_months_v1')
}

const completeMark = defineQuery({
  name: 'audited_index_is_complete',
  sql: 'SELECT month FROM identity_hash_months_v1 WHERE month = 0 LIMIT 1',
  params: z.object({}),
  row: z.object({ month: z.number() }),
})

const rawEvents = defineQuery({
  name: 'audited_raw_events',
  sql: 'SELECT count() AS events FROM raw_usage_events_v1',
  params: z.object({}),
  row: z.object({ events: z.coerce.number() }),
})

const indexedIdentities = defineQuery({
  name: 'audited_identities',
  sql: 'SELECT count() AS identities FROM identity_hashes_v1',
  params: z.object({}),
  row: z.object({ identities: z.coerce.number() }),
})
