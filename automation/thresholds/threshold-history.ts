import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'

/** A stored transition. `atMs` in ms since 1970. */
export type PastTransition = z.output<typeof TransitionRow>

export interface HistoryPage {
  readonly thresholdId: string
  /** Undefined: of all months. */
  readonly month?: string | undefined
  readonly limit: number
  /** The last transition of the page before; undefined for the first page. */
  readonly after?: Pick<PastTransition, 'atMs' | 'number' | 'level' | 'messageId'> | undefined
}

/** Newest first. Throws StoreError. */
export function readThresholdHistory(
  { registry }: Pick<ClickHouse, 'registry'>,
  { thresholdId, month = '', limit, after }: HistoryPage,
): Promise<PastTransition[]> {
  const { atMs: afterMs, number: afterNumber, level: afterLevel, messageId: afterId } = after ?? BEFORE_THE_NEWEST
  return registry.query(thresholdHistory, { thresholdId, month, limit, afterMs, afterNumber, afterLevel, afterId })
}

const BEFORE_THE_NEWEST = { atMs: Number.MAX_SAFE_INTEGER, number: 0, level: '', messageId: '' }

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
          AND (atMs < {afterMs: Int64} OR (atMs = {afterMs: Int64} AND (number < {afterNumber: UInt64}
            OR (number = {afterNumber: UInt64} AND (level, messageId) > ({afterLevel: String}, {afterId: String})))))
        ORDER BY created_at DESC, number DESC, level, message_id LIMIT {limit: UInt64}`,
  params: z.object({
    ...{ thresholdId: z.string(), month: z.string(), limit: z.number() },
    ...{ afterMs: z.number(), afterNumber: z.number(), afterLevel: z.string(), afterId: z.string() },
  }),
  row: TransitionRow,
})
