import { z } from 'zod'
import { REJECT_REASONS } from '../metering/event.ts'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { defineQuery } from '../sql/query.ts'

export type RejectedEvent = z.output<typeof RejectedRow>

export const REJECTED_LIMIT_MAX = 1_000

/** The latest refusals, newest first; of one ingest key, or of all when the key is ''. Throws StoreError. */
export function listRejected({ reads }: ClickHouse, asked: { ingestKeyId: string; limit: number }): Promise<RejectedEvent[]> {
  return reads.query(latestRejected, asked)
}

const RejectedRow = z.object({
  id: z.string(),
  reason: z.enum(REJECT_REASONS),
  message: z.string(),
  project_id: z.string(),
  event_id: z.string(),
  received_ms: z.coerce.number(),
  /** The bytes as they came, with U+FFFD where they are not UTF-8. */
  original: z.string(),
})

const latestRejected = defineQuery({
  name: 'latest_rejected',
  sql: `SELECT concat(log, '/', toString(offset)) AS id, reason, message, project_id, event_id,
          toUnixTimestamp64Milli(received_at) AS received_ms, toValidUTF8(original) AS original
        FROM rejected_events_v1 FINAL
        WHERE {ingestKeyId: String} = '' OR ingest_key_id = {ingestKeyId: String}
        ORDER BY received_at DESC, log, offset DESC LIMIT {limit: UInt64}`,
  params: z.object({ ingestKeyId: z.string(), limit: z.number() }),
  row: RejectedRow,
})
