import { z } from 'zod'
import { REJECT_REASONS, type RejectReason } from '../../metering/rejection-reasons.ts'
import type { ClickHouse, Lane } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import type { LogRange } from '../log/in-doubt-range.ts'

export type RejectedEvent = z.output<typeof RejectedRow>

export interface RejectedQuery {
  /** The events of this key; '' for the events of all keys. */
  readonly ingestKeyId: string
  /** The last event of the previous page. */
  readonly after: RejectedPlace | undefined
  readonly limit: number
}

/** The position of an event in the list. */
export type RejectedPlace = Pick<RejectedEvent, 'received_ms' | 'log' | 'offset'>

/** Lists rejected events, newest first. Throws StoreError. */
export function listRejected({ reads }: ClickHouse, { ingestKeyId, after, limit }: RejectedQuery): Promise<RejectedEvent[]> {
  const { received_ms, log, offset } = after ?? { received_ms: Number.MAX_SAFE_INTEGER, log: '', offset: 0 }
  const page = { afterMs: received_ms, afterLog: log, afterOffset: offset, limit }
  return ingestKeyId === '' ? reads.query(latestRejected, page) : reads.query(latestRejectedOfKey, { ...page, ingestKeyId })
}

/** What is kept of a rejection at one offset of a log. */
export interface RejectedAt {
  readonly reason: RejectReason
  /** The ids as far as they were text, otherwise ''. */
  readonly projectId: string
  readonly eventId: string
}

/**
 * The events of a range that were rejected, by offset. The rules of their time decided, which may have changed since: what is kept as
 * rejected must not be counted beside its rejection. Throws StoreError.
 */
export async function readRejectedRange(lane: Lane, log: string, { first, through }: LogRange): Promise<Map<number, RejectedAt>> {
  const rows = await lane.query(rejectedOfRange, { log, first, through })
  return new Map(rows.map(({ offset, ...rejected }) => [offset, rejected]))
}

const rejectedOfRange = defineQuery({
  name: 'rejected_of_range',
  sql: `SELECT offset, reason, project_id AS projectId, event_id AS eventId FROM rejected_events_v1
        WHERE log = {log: String} AND offset >= {first: UInt64} AND offset <= {through: UInt64}`,
  params: z.object({ log: z.string(), first: z.number(), through: z.number() }),
  row: z.object({ offset: z.coerce.number(), reason: z.enum(REJECT_REASONS), projectId: z.string(), eventId: z.string() }),
  settings: { max_execution_time: 600 },
})

const RejectedRow = z.object({
  id: z.string(),
  log: z.string(),
  offset: z.coerce.number(),
  reason: z.enum(REJECT_REASONS),
  message: z.string(),
  project_id: z.string(),
  event_id: z.string(),
  received_ms: z.coerce.number(),
  /** The bytes as they were received, with U+FFFD where they are not UTF-8. */
  original: z.string(),
  /** When the event was resubmitted, in ms since 1970. */
  resent_ms: z.coerce.number().nullable(),
})

const REJECTED_COLUMNS = `concat(log, '/', toString(offset)) AS id, log, offset, reason, message, project_id, event_id,
          toUnixTimestamp64Milli(received_at) AS received_ms, toValidUTF8(original) AS original,
          if(resends.log = '', NULL, toUnixTimestamp64Milli(resends.resent_at)) AS resent_ms`

const BEHIND_THE_LAST_PAGE = `(received_ms < {afterMs: Int64}
            OR received_ms = {afterMs: Int64} AND (log > {afterLog: String} OR log = {afterLog: String} AND offset < {afterOffset: UInt64}))`

const PageParams = z.object({ afterMs: z.number(), afterLog: z.string(), afterOffset: z.number(), limit: z.number() })

const latestRejected = defineQuery({
  name: 'latest_rejected',
  sql: `SELECT ${REJECTED_COLUMNS}
        FROM rejected_events_v1 AS rejected FINAL
        LEFT JOIN (SELECT log, offset, max(resent_at) AS resent_at FROM rejected_resends_v1 GROUP BY log, offset) AS resends USING (log, offset)
        WHERE ${BEHIND_THE_LAST_PAGE}
        ORDER BY received_at DESC, log, offset DESC LIMIT {limit: UInt64}`,
  params: PageParams,
  row: RejectedRow,
})

/** Reads the places of one key first, by the key of their table, then only those events: an emitter's list must not read the events of all others. */
const latestRejectedOfKey = defineQuery({
  name: 'latest_rejected_of_key',
  sql: `WITH page AS (
          SELECT log, offset, toUnixTimestamp64Milli(received_at) AS received_ms
          FROM rejected_events_by_key_v1 FINAL
          WHERE ingest_key_id = {ingestKeyId: String} AND ${BEHIND_THE_LAST_PAGE}
          ORDER BY received_at DESC, log, offset DESC LIMIT {limit: UInt64}
        )
        SELECT ${REJECTED_COLUMNS}
        FROM rejected_events_v1 AS rejected FINAL
        LEFT JOIN (
          SELECT log, offset, max(resent_at) AS resent_at FROM rejected_resends_v1 WHERE (log, offset) IN (SELECT log, offset FROM page) GROUP BY log, offset
        ) AS resends USING (log, offset)
        WHERE (log, offset) IN (SELECT log, offset FROM page)
        ORDER BY received_at DESC, log, offset DESC LIMIT {limit: UInt64}`,
  params: PageParams.extend({ ingestKeyId: z.string() }),
  row: RejectedRow,
})
