import { z } from 'zod'
import { groupedBy } from '../../metering/grouped-by.ts'
import type { RejectReason } from '../../metering/rejection-reasons.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import type { Arrival } from '../event/arrival.ts'
import { decodeEvent } from '../event/decode-body.ts'
import type { KnownMetrics } from '../event/known-metrics.ts'
import type { AllowedProjects, ValidatedEvent } from '../event/pipeline.ts'
import { validateEvents } from '../event/validate-events.ts'
import type { Verdict } from '../log/detect-duplicates.ts'
import type { EventLog } from '../log/event-log.ts'

export interface Resent {
  /** log/offset, the id in the list of rejected events. */
  readonly id: string
  readonly outcome: 'accepted' | 'duplicate' | 'rejected' | 'not_found'
  readonly reason: RejectReason | null
}

export interface ResendOptions {
  readonly clickhouse: ClickHouse
  readonly eventLog: EventLog
  /** Since they were rejected, their metric may have been defined. */
  readonly metrics: KnownMetrics
  /** Which projects of the events their ingest key may send for now: since they were rejected, a project may have been registered. */
  findAllowedProjects(ingestKeyId: string, arrivals: readonly Arrival[]): Promise<AllowedProjects>
  /** Rejects what an ingest key may not change, whoever resends it. What was sent without an ingest key is not checked. */
  rejectClosedMonths(validated: readonly ValidatedEvent[]): Promise<readonly ValidatedEvent[]>
}

/**
 * Resubmits rejected events after a fix, as new events received now. Those of one ingest key are sent in the order in which they were
 * rejected: of two with the same identity the first one counts. Those whose original is not kept are not found:
 * 1. The new events are submitted until they are durable. A crash after it: they are submitted again, and the copies are duplicates.
 * 2. The rejected events are marked as resubmitted. Throws StoreError, EventsUnavailable.
 */
export async function resendRejected(options: ResendOptions, ids: readonly string[], receivedMs: number): Promise<Resent[]> {
  const { clickhouse, eventLog } = options
  const places = ids.flatMap(placeOf)
  const found = await clickhouse.reads.query(rejectedEvents, { places })
  const outcomes = new Map<string, Resent>()
  for (const [ingestKeyId, events] of groupedBy(found, ({ ingestKeyId }) => ingestKeyId)) {
    const arrivals = events.map(({ originalBase64, format }) => decodeEvent(Buffer.from(originalBase64, 'base64'), format))
    const allowedProjects = await options.findAllowedProjects(ingestKeyId, arrivals)
    // Nothing of a correction batch: its window is checked, and its closing is allowed and audited, where it was sent first.
    const arrived = await validateEvents(arrivals, { receivedMs, allowedProjects }, options.metrics)
    const validated = ingestKeyId === '' ? arrived : await options.rejectClosedMonths(arrived)
    const bytes = arrivals.reduce((sum, arrival) => sum + arrival.bytes, 0)
    const verdicts = await eventLog.submit({ validated, ingestKeyId, receivedMs, bytes })
    for (const [index, { id }] of events.entries()) outcomes.set(id, { id, ...outcomeOf(verdicts[index]) })
  }
  const text = found.map(({ log, offset }) => row([log, offset])).join('')
  if (text !== '') await clickhouse.control.insert({ table: 'rejected_resends_v1', columns: ['log', 'offset'], text })
  return ids.map((id) => outcomes.get(id) ?? { id, outcome: 'not_found', reason: null })
}

function placeOf(id: string): [string, number][] {
  const match = /^(.+)\/(\d{1,15})$/.exec(id)
  return match === null ? [] : [[match[1] ?? '', Number(match[2])]]
}

function outcomeOf(verdict: Verdict | undefined): Omit<Resent, 'id'> {
  if (verdict?.status === 'rejected') return { outcome: 'rejected', reason: verdict.rejection.reason }
  return { outcome: verdict?.status === 'duplicate' ? 'duplicate' : 'accepted', reason: null }
}

const RejectedRow = z.object({
  id: z.string(),
  log: z.string(),
  offset: z.coerce.number(),
  ingestKeyId: z.string(),
  originalBase64: z.string(),
  format: z.enum(['json', 'cloudevent']),
})

const rejectedEvents = defineQuery({
  name: 'rejected_events_to_resend',
  sql: `SELECT concat(log, '/', toString(offset)) AS id, log, offset, ingest_key_id AS ingestKeyId, base64Encode(original) AS originalBase64,
          if(rejected.format = '', 'json', rejected.format) AS format
        FROM rejected_events_v1 AS rejected FINAL WHERE (log, offset) IN {places: Array(Tuple(String, UInt64))} AND original != '' ORDER BY log, offset`,
  params: z.object({ places: z.array(z.tuple([z.string(), z.number()])) }),
  row: RejectedRow,
})
