import { z } from 'zod'
import type { RejectReason } from '../../metering/event.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import { type Arrival, decodeKeptEvent } from '../event/decode-body.ts'
import { type AllowedProjects, judgeEvent } from '../event/pipeline.ts'
import type { Verdict } from '../log/detect-duplicates.ts'
import type { EventLog } from '../log/event-log.ts'

export const RESEND_IDS_MAX = 1_000

export interface Resent {
  /** log/offset, as the list of rejected events names it. */
  readonly id: string
  readonly outcome: 'accepted' | 'duplicate' | 'rejected' | 'not_found'
  readonly reason: RejectReason | null
}

export interface ResendOptions {
  readonly clickhouse: ClickHouse
  readonly eventLog: EventLog
  /** Which projects of the events their ingest key may send for now: since they were rejected, a project may have been registered. */
  findAllowedProjects(ingestKeyId: string, arrivals: readonly Arrival[]): Promise<AllowedProjects>
}

/**
 * Sends rejected events through again after a fix, as new records received now:
 * 1. The new records, until they are durable. A crash after it: they are sent again, and a copy counts once.
 * 2. The marks. Throws StoreError, EventsUnavailable.
 */
export async function resendRejected(options: ResendOptions, ids: readonly string[], receivedMs: number): Promise<Resent[]> {
  const { clickhouse, eventLog } = options
  const places = ids.flatMap(placeOf)
  const found = await clickhouse.reads.query(keptRejected, { places })
  const outcomes = new Map<string, Resent>()
  for (const [ingestKeyId, events] of groupByKey(found)) {
    const originals = events.map(({ original_base64 }) => Buffer.from(original_base64, 'base64'))
    const arrivals = originals.map(decodeKeptEvent)
    const allowedProjects = await options.findAllowedProjects(ingestKeyId, arrivals)
    const judged = arrivals.map((arrival) => judgeEvent(arrival, { receivedMs, allowedProjects }))
    const bytes = originals.reduce((sum, original) => sum + original.length, 0)
    const verdicts = await eventLog.submit({ judged, ingestKeyId, receivedMs, bytes })
    for (const [index, { id }] of events.entries()) outcomes.set(id, { id, ...outcomeOf(verdicts[index]) })
  }
  const text = found.map(({ log, offset }) => row([log, offset])).join('')
  if (text !== '') await clickhouse.control.insert({ table: 'rejected_resends_v1', columns: ['log', 'offset'], text })
  return ids.map((id) => outcomes.get(id) ?? { id, outcome: 'not_found', reason: null })
}

type Kept = z.output<typeof KeptRow>

function groupByKey(events: readonly Kept[]): Map<string, Kept[]> {
  const groups = new Map<string, Kept[]>()
  for (const event of events) groups.set(event.ingest_key_id, [...(groups.get(event.ingest_key_id) ?? []), event])
  return groups
}

function placeOf(id: string): [string, number][] {
  const match = /^(.+)\/(\d{1,15})$/.exec(id)
  return match === null ? [] : [[match[1] ?? '', Number(match[2])]]
}

function outcomeOf(verdict: Verdict | undefined): Omit<Resent, 'id'> {
  if (verdict?.status === 'rejected') return { outcome: 'rejected', reason: verdict.rejection.reason }
  return { outcome: verdict?.status === 'duplicate' ? 'duplicate' : 'accepted', reason: null }
}

const KeptRow = z.object({ id: z.string(), log: z.string(), offset: z.coerce.number(), ingest_key_id: z.string(), original_base64: z.string() })

const keptRejected = defineQuery({
  name: 'kept_rejected',
  sql: `SELECT concat(log, '/', toString(offset)) AS id, log, offset, ingest_key_id, base64Encode(original) AS original_base64
        FROM rejected_events_v1 FINAL WHERE (log, offset) IN {places: Array(Tuple(String, UInt64))}`,
  params: z.object({ places: z.array(z.tuple([z.string(), z.number()])) }),
  row: KeptRow,
})
