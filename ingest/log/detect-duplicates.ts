import type { Correction } from '../../metering/correction.ts'
import type { UsageEvent } from '../../metering/event.ts'
import type { Rejection } from '../../metering/rejection-reasons.ts'
import type { WindowRecord } from '../../metering/window-record.ts'
import { identityOf, type ValidatedEvent } from '../event/pipeline.ts'
import { describeConflict } from './describe-conflict.ts'
import { BatchCorrections, type CorrectionEffect, type FirstsOfBatch, type StoredRecords } from './detect-corrections.ts'
import { classifyWindow, type WindowChanges } from './detect-windows.ts'
import type { IdentityFilter } from './identity-filter.ts'
import { hashIdentity, type IdentityHash } from './identity-hash.ts'
import { type Identity, IdentityMap, IdentitySet } from './look-up.ts'
import { isSameEvent } from './same-event.ts'
import type { StoredCorrection } from './stored-corrections.ts'
import type { StoredEvent } from './stored-events.ts'

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
  /** The event is new and counts. `effect`: it is a correction, and this is what it changes. `changes`: it closes or reverts a batch. */
  | { status: 'counted'; effect?: CorrectionEffect; changes?: WindowChanges }
  /** An event with the same identity, metric and value is earlier in the log, or the same correction. It is tallied and not stored. */
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

/** What must be looked up of a batch. */
export interface RecordsToFind {
  /** Of its events and corrections, without those that are certainly new. */
  readonly identities: readonly Identity[]
  /** The months of these, as YYYYMM, where most are probably stored: an event that is sent again has its timestamp of before. Else empty. */
  readonly monthsExpected: readonly number[]
  /** The events that its corrections correct, without those that are certainly not stored. */
  readonly corrected: readonly Identity[]
  readonly amends: boolean
  /** The batches under which its events were sent, with their projects. */
  readonly batches: readonly Identity[]
  /** The only record of the batch, if it closes or reverts a window. */
  readonly window: WindowRecord | undefined
  /** The place of the batch. */
  readonly log: string
  readonly offset: number
}

/** Finds what is stored under identities. Throws StoreError. */
export type FindStored = (records: RecordsToFind) => Promise<StoredRecords>

/**
 * Separates new events from known ones, exactly (P2): the filter clears nearly all new ones, and the rest is looked up.
 * The stored (log, offset) decides: the same place is this very event, another place makes it a duplicate or a conflict. Within a
 * batch the first event of an identity counts. Without a filter every event is looked up. Corrections share the identities of events.
 * Call it only after the previous batch was acknowledged: a look-up that misses what that batch stored would count an event twice. Throws
 * StoreError.
 */
export async function detectDuplicates(records: readonly LogRecord[], filter: IdentityFilter | undefined, find: FindStored): Promise<Classified> {
  const hashes = records.map(({ validated }) => hashOf(validated))
  const targets = targetsOf(records)
  const stored = await find(recordsToFind(records, hashes, { filter, targets }))
  const repeated = repeatedHashes(hashes, targets)
  const firsts: FirstsOfBatch = new IdentityMap()
  const corrections = new BatchCorrections(stored, firsts)
  const newHashes: IdentityHash[] = []
  const verdicts = records.map((record, index): Verdict => {
    const { validated } = record
    if (validated.status === 'rejected') return { status: 'rejected', rejection: validated.rejection }
    const hash = hashes[index]
    if (validated.status === 'correction') {
      const verdict = corrections.classify(record, validated.correction)
      if (hash !== undefined && verdict.status === 'counted') newHashes.push(hash)
      return verdict
    }
    if (validated.status === 'window') {
      const verdict = classifyWindow(record, validated.window, stored)
      if (hash !== undefined && verdict.status === 'counted') newHashes.push(hash)
      return verdict
    }
    const { event } = validated
    const known = stored.events.get(event.projectId, event.eventId)
    if (known !== undefined && known.log === record.log && known.offset === record.offset) return ALREADY_STORED
    const mayRepeat = hash === undefined || repeated.has(hash)
    const first = known ?? stored.corrections.get(event.projectId, event.eventId) ?? (mayRepeat ? firsts.get(event.projectId, event.eventId) : undefined)
    if (first !== undefined) return compare(event, first)
    if (event.correctionBatch !== undefined && stored.closedBatches.get(event.projectId, event.correctionBatch) === true) return TOO_LATE
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
const TOO_LATE: Verdict = {
  status: 'rejected',
  rejection: {
    reason: 'invalid_correction',
    message: 'The correction batch of this event was closed before it. Open another batch, and send the event to that one.',
  },
}

function hashOf(validated: ValidatedEvent): IdentityHash | undefined {
  if (validated.status === 'valid') return hashIdentity(validated.event.projectId, validated.event.eventId)
  if (validated.status === 'rejected') return undefined
  const { projectId, eventId } = identityOf(validated)
  return hashIdentity(projectId, eventId)
}

/** The events that the corrections of a batch correct, by the hash of their identity. Nearly all batches have none. */
function targetsOf(records: readonly LogRecord[]): Map<IdentityHash, Identity[]> {
  const targets = new Map<IdentityHash, Identity[]>()
  for (const { validated } of records) {
    if (validated.status !== 'correction') continue
    const { projectId, corrects } = validated.correction
    const hash = hashIdentity(projectId, corrects)
    const known = targets.get(hash) ?? []
    if (!known.some(([project, event]) => project === projectId && event === corrects)) targets.set(hash, [...known, [projectId, corrects]])
  }
  return targets
}

/**
 * Hashes that occur more than once in the batch, also as that of an event that it corrects. Only what has one of these is compared by its
 * ids: equal ids have equal hashes.
 */
function repeatedHashes(hashes: readonly (IdentityHash | undefined)[], targets: ReadonlyMap<IdentityHash, unknown>): Set<number> {
  const seen = new Set<number>(targets.keys())
  const repeated = new Set<number>()
  for (const hash of hashes) {
    if (hash === undefined) continue
    if (seen.has(hash)) repeated.add(hash)
    else seen.add(hash)
  }
  return repeated
}

function recordsToFind(
  records: readonly LogRecord[],
  hashes: readonly (IdentityHash | undefined)[],
  { filter, targets }: { readonly filter: IdentityFilter | undefined; readonly targets: ReadonlyMap<IdentityHash, readonly Identity[]> },
): RecordsToFind {
  const identities: Identity[] = []
  const days = new Set<number>()
  let amends = false
  let window: WindowRecord | undefined
  const batches = new IdentitySet()
  records.forEach(({ validated }, index) => {
    const hash = hashes[index]
    if (hash === undefined) return
    const isMaybeStored = filter?.mayContain(hash) !== false
    if (validated.status === 'valid' && isMaybeStored) {
      identities.push([validated.event.projectId, validated.event.eventId])
      days.add(Math.floor(validated.event.timestampMs / DAY_MS))
    }
    if (validated.status === 'valid' && validated.event.correctionBatch !== undefined) batches.add(validated.event.projectId, validated.event.correctionBatch)
    if (validated.status === 'window') {
      window = validated.window
      identities.push([validated.window.projectId, validated.window.eventId])
    }
    if (validated.status !== 'correction') return
    amends ||= validated.correction.action === 'amend'
    if (isMaybeStored) identities.push([validated.correction.projectId, validated.correction.eventId])
  })
  const corrected = [...targets].flatMap(([hash, events]) => (filter?.mayContain(hash) === false ? [] : events))
  // A filter clears nearly all events that are not stored.
  const areMostStored = filter?.isSelective === true && identities.length > records.length * SHARE_NOT_CLEARED_MAX
  const monthsExpected = areMostStored ? monthsOfDays(days) : []
  return { identities, monthsExpected, corrected, amends, batches: batches.list, window, log: records[0]?.log ?? '', offset: records[0]?.offset ?? 0 }
}

const DAY_MS = 24 * 60 * 60_000
/** Of a batch without duplicates, the share that the filter does not clear is far below it (identity-filter.ts). */
const SHARE_NOT_CLEARED_MAX = 0.1

/** The months of days that are counted from 1970, as YYYYMM. */
function monthsOfDays(days: ReadonlySet<number>): number[] {
  const months = [...days].map((day) => {
    const at = new Date(day * DAY_MS)
    return at.getUTCFullYear() * 100 + at.getUTCMonth() + 1
  })
  return [...new Set(months)]
}

function compare(event: UsageEvent, first: StoredEvent | StoredCorrection | UsageEvent | Correction): Verdict {
  if (!('corrects' in first) && isSameEvent(event, first)) return DUPLICATE
  return { status: 'rejected', rejection: { reason: 'conflict', message: describeConflict(event, first) } }
}
