import type { UsageEvent } from '../../metering/event.ts'
import { compareDecimals, subtractDecimals } from '../../metering/exact-decimal.ts'
import { isMetricName, METRICS } from '../../metering/metrics.ts'
import type { Rejection } from '../../metering/rejection-reasons.ts'
import type { ValidatedEvent } from '../event/pipeline.ts'
import type { IdentityFilter } from './identity-filter.ts'
import { hashIdentity, type IdentityHash } from './identity-hash.ts'
import { type Identity, IdentityMap, type StoredEvent } from './stored-events.ts'

/** A validated event with its place in a log. What counts is a pure function of the log, so the place decides. */
export interface LogRecord {
  readonly log: string
  readonly offset: number
  readonly validated: ValidatedEvent
  readonly receivedMs: number
  readonly ingestKeyId: string
  /** The trace context (W3C `traceparent`) of a Kafka record, as its producer wrote it; only while batches are traced. */
  readonly traceparent?: string | undefined
}

export type Verdict =
  /** The event is new and counts. */
  | { status: 'counted' }
  /** An event with the same identity, metric and value is earlier in the log. It is tallied and not stored. */
  | { status: 'duplicate' }
  /** This very event is stored already, because the log was read again. */
  | { status: 'already_stored' }
  /** The event is durable in Kafka. Whether it is a duplicate is known only when it is read from the topic. */
  | { status: 'produced' }
  /**
   * The event is kept with its reason: whole, or without its original where its ingest key has used up its quota, or before, when the
   * same bytes were rejected for the same reason.
   */
  | { status: 'rejected'; rejection: Rejection; kept?: 'without original' | 'before' }

export interface Classified {
  /** One for each record, in order. */
  readonly verdicts: readonly Verdict[]
  /** Hashes of the events that count. They must be in the filter before the batch is sent. */
  readonly newHashes: readonly IdentityHash[]
}

/** Finds the stored events of identities. Throws StoreError. */
export type FindStored = (identities: readonly Identity[]) => Promise<IdentityMap<StoredEvent>>

/**
 * Separates new events from known ones, exactly (P2): the filter clears nearly all new ones, and the rest is looked up.
 * The stored (log, offset) decides: the same place is this very event, another place makes it a duplicate or a conflict. Within a
 * batch the first event of an identity counts. Without a filter every event is looked up. Call it only after the previous batch
 * was acknowledged: a look-up that misses what that batch stored would count an event twice. Throws StoreError.
 */
export async function detectDuplicates(records: readonly LogRecord[], filter: IdentityFilter | undefined, find: FindStored): Promise<Classified> {
  const hashes = records.map(({ validated }) => (validated.status === 'valid' ? hashIdentity(validated.event.projectId, validated.event.eventId) : undefined))
  const stored = await find(maybeStored(records, hashes, filter))
  const repeated = repeatedHashes(hashes)
  const firsts = new IdentityMap<UsageEvent>()
  const newHashes: IdentityHash[] = []
  const verdicts = records.map((record, index): Verdict => {
    if (record.validated.status === 'rejected') return { status: 'rejected', rejection: record.validated.rejection }
    const { event } = record.validated
    const known = stored.get(event.projectId, event.eventId)
    if (known !== undefined && known.log === record.log && known.offset === record.offset) return ALREADY_STORED
    const hash = hashes[index]
    const mayRepeat = hash === undefined || repeated.has(hash)
    const first = known ?? (mayRepeat ? firsts.get(event.projectId, event.eventId) : undefined)
    if (first !== undefined) return compare(event, first)
    if (mayRepeat) firsts.set(event.projectId, event.eventId, event)
    if (hash !== undefined) newHashes.push(hash)
    return COUNTED
  })
  return { verdicts, newHashes }
}

/** Verdicts without a reason are shared objects: a batch has one for each of its events. */
const COUNTED: Verdict = { status: 'counted' }
const ALREADY_STORED: Verdict = { status: 'already_stored' }
const DUPLICATE: Verdict = { status: 'duplicate' }

/** Hashes that occur more than once in the batch. Only events with one of these are compared by their ids: equal ids have equal hashes. */
function repeatedHashes(hashes: readonly (IdentityHash | undefined)[]): Set<number> {
  const seen = new Set<number>()
  const repeated = new Set<number>()
  for (const hash of hashes) {
    if (hash === undefined) continue
    if (seen.has(hash)) repeated.add(hash)
    else seen.add(hash)
  }
  return repeated
}

function maybeStored(records: readonly LogRecord[], hashes: readonly (IdentityHash | undefined)[], filter: IdentityFilter | undefined): Identity[] {
  const maybe: Identity[] = []
  records.forEach(({ validated }, index) => {
    const hash = hashes[index]
    if (validated.status === 'valid' && hash !== undefined && filter?.mayContain(hash) !== false)
      maybe.push([validated.event.projectId, validated.event.eventId])
  })
  return maybe
}

/** Both values are in their shortest form, so equal text is equal quantity. */
function compare(event: UsageEvent, first: { metric: string; value: string }): Verdict {
  if (event.metric === first.metric && event.value === first.value) return DUPLICATE
  return { status: 'rejected', rejection: { reason: 'conflict', message: describeConflict(event, first) } }
}

/** It must advise nothing that bills twice: sent again as a new event, the whole value would be added to the first one. */
function describeConflict({ metric, value }: UsageEvent, first: { metric: string; value: string }): string {
  const fact = `An event with this id was counted before for this project, with metric ${first.metric} and value ${first.value}. That one counts: an event cannot be changed or taken back.`
  const other = 'If this is other usage, give it an id of its own.'
  const byOperator = 'Only an operator can correct the bill, by a manual line on the statement.'
  // Whether a higher value completes a metric that operators have defined, its sender knows.
  if (!isMetricName(metric) || metric !== first.metric || compareDecimals(value, first.value) < 0)
    return `${fact} ${other} If it is a correction: ${byOperator}`
  const completed =
    METRICS[metric].kind === 'peak'
      ? 'send the higher value as a new event with an id of its own, because the highest value of a day counts.'
      : `send only the difference, ${subtractDecimals(value, first.value)}, as a new event with an id of its own.`
  return `${fact} ${other} If the first value was too low: ${completed}`
}
