import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'

/** A stored transition. `atMs` in ms since 1970. */
export type PastTransition = z.output<typeof TransitionRow>

/** Newest first; of all months if `month` is empty. Throws StoreError. */
export function readThresholdHistory(
  { registry }: Pick<ClickHouse, 'registry'>,
  { thresholdId, month = '', limit }: { thresholdId: string; month?: string | undefined; limit: number },
): Promise<PastTransition[]> {
  return registry.query(thresholdHistory, { thresholdId, month, limit })
}

const TransitionRow = z.object({
  messageId: z.string(),
  month: z.string(),
  level: z.string(),
  number: z.coerce.number(),
  state: z.enum(['alarm', 'ok']),
  value: z.string(),
  atMs: z.coerce.number(),
})

const thresholdHistory = defineQuery({
  name: 'threshold_history',
  sql: `SELECT message_id AS messageId, month, part AS level, number, state, JSONExtractString(body, 'data', 'value') AS value,
          toUnixTimestamp64Milli(created_at) AS atMs
        FROM webhook_messages_v1 FINAL
        WHERE subject = {thresholdId: String} AND subject != '' AND {month: String} IN ('', month)
        ORDER BY created_at DESC, number DESC, level LIMIT {limit: UInt64}`,
  params: z.object({ thresholdId: z.string(), month: z.string(), limit: z.number() }),
  row: TransitionRow,
})
