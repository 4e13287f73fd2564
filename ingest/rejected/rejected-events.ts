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

/**
 * Lists rejected events, newest first. Only the places of a page are looked for by time, in longer and longer periods before it, so
 * that a page reads little of a large table. Throws StoreError.
 */
export async function listRejected({ reads }: ClickHouse, query: RejectedQuery): Promise<RejectedEvent[]> {
  const places = await findPlaces(reads, query)
  return reads.query(rejectedAtPlaces, { places: places.map(({ log, offset }): [string, number] => [log, offset]) })
}

async function findPlaces(reads: Lane, { ingestKeyId, after, limit }: RejectedQuery) {
  const query = ingestKeyId === '' ? latestPlaces : latestPlacesOfKey
  const { received_ms, log, offset } = after ?? { received_ms: TIME_MS_MAX, log: '', offset: 0 }
  const page = { ingestKeyId, afterMs: Math.min(received_ms, TIME_MS_MAX), afterLog: log, afterOffset: offset, limit }
  const newestMs = Math.min(page.afterMs, Date.now())
  for (const periodMs of PERIODS_MS) {
    const found = await reads.query(query, { ...page, sinceMs: Math.max(0, newestMs - periodMs) })
    if (found.length === limit) return found
  }
  return reads.query(query, { ...page, sinceMs: 0 })
}

const HOUR_MS = 3_600_000
const PERIODS_MS = [HOUR_MS, 24 * HOUR_MS, 30 * 24 * HOUR_MS]
/** Later than any event was received, and within what the store can represent. */
const TIME_MS_MAX = Date.UTC(2200, 0, 1)

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

/** `table` has log, offset and received_at; two rows of one place have the same received_at. */
function placesSql(table: string): string {
  return `SELECT log, offset, toUnixTimestamp64Milli(received_at) AS received_ms
        FROM ${table}
          AND received_at >= fromUnixTimestamp64Milli({sinceMs: Int64}, 'UTC') AND received_at <= fromUnixTimestamp64Milli({afterMs: Int64}, 'UTC')
          AND (received_ms < {afterMs: Int64} OR log > {afterLog: String} OR log = {afterLog: String} AND offset < {afterOffset: UInt64})
        ORDER BY received_at DESC, log, offset DESC LIMIT {limit: UInt64}`
}

const PLACES = {
  params: z.object({
    ingestKeyId: z.string(),
    sinceMs: z.number(),
    afterMs: z.number(),
    afterLog: z.string(),
    afterOffset: z.number(),
    limit: z.number(),
  }),
  row: RejectedRow.pick({ log: true, offset: true }),
  // Inexact is exact here: no other row of a place is at another time.
  settings: { use_skip_indexes_if_final: 1, use_skip_indexes_if_final_exact_mode: 0 },
}

const latestPlaces = defineQuery({ name: 'latest_rejected_places', sql: placesSql('rejected_events_v1 FINAL WHERE true'), ...PLACES })

const latestPlacesOfKey = defineQuery({
  name: 'latest_rejected_places_of_key',
  sql: placesSql('rejected_events_by_key_v1 FINAL WHERE ingest_key_id = {ingestKeyId: String}'),
  ...PLACES,
})

const rejectedAtPlaces = defineQuery({
  name: 'rejected_at_places',
  sql: `SELECT concat(log, '/', toString(offset)) AS id, log, offset, reason, message, project_id, event_id,
          toUnixTimestamp64Milli(received_at) AS received_ms, toValidUTF8(original) AS original,
          if(resends.log = '', NULL, toUnixTimestamp64Milli(resends.resent_at)) AS resent_ms
        FROM rejected_events_v1 AS rejected FINAL
        GLOBAL LEFT JOIN (
          SELECT log, offset, max(resent_at) AS resent_at FROM rejected_resends_v1
          WHERE (log, offset) IN {places: Array(Tuple(String, UInt64))} GROUP BY log, offset
        ) AS resends USING (log, offset)
        WHERE (log, offset) IN {places: Array(Tuple(String, UInt64))}
        ORDER BY received_at DESC, log, offset DESC`,
  params: z.object({ places: z.array(z.tuple([z.string(), z.number()])) }),
  row: RejectedRow,
})
