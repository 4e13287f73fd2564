import type { Correction } from '../../metering/correction.ts'
import type { UsageEvent } from '../../metering/event.ts'
import { subtractDecimals } from '../../metering/exact-decimal.ts'
import type { Rejection, RejectReason } from '../../metering/rejection-reasons.ts'
import { dayOf } from '../../metering/timestamp.ts'
import { describeConflict } from './describe-conflict.ts'
import { type Identity, IdentityMap } from './look-up.ts'
import type { Corrected, StoredCorrection } from './stored-corrections.ts'
import type { StoredEvent } from './stored-events.ts'
import type { StoredWindow } from './stored-windows.ts'

/** What a correction changes, computed by its writer from the event's latest correction before it. */
export interface CorrectionEffect {
  /** 1 more than that of the correction before it. The highest revision of an event applies. */
  readonly revision: number
  /** The metric and the day of the event. */
  readonly metric: string
  readonly usageDate: string
  /** Those of the event, as they are stored: '' without any. */
  readonly labels: string
  /** The value that counts after it less that before. */
  readonly addedTotal: string
  /** 1 if the event does not count any more, -1 if it counts again, else 0. */
  readonly addedVoided: -1 | 0 | 1
}

/** What is stored under the identities of a batch and of the events that it corrects. */
export interface StoredRecords {
  readonly events: IdentityMap<StoredEvent>
  readonly corrections: IdentityMap<StoredCorrection>
  /** The corrections of those events that the batch corrects, by the identity of the event. */
  readonly corrected: IdentityMap<Corrected[]>
  /** The metrics whose events have no decimal value, so that it cannot be amended; empty if no event of the batch is amended. */
  readonly notAmendable: ReadonlySet<string>
  /** The batches that were closed before this batch of the log, of those that its events name, by project and id. */
  readonly closedBatches: IdentityMap<true>
  /** What the only record of the batch changes, if it closes or reverts a window. */
  readonly window: StoredWindow | undefined
}

/** The events and corrections of the batch so far that count. */
export type FirstsOfBatch = IdentityMap<UsageEvent | Correction>

export type CorrectionVerdict =
  | { status: 'counted'; effect: CorrectionEffect }
  | { status: 'duplicate' | 'already_stored' }
  | { status: 'rejected'; rejection: Rejection }

/** The place of a correction in its log. */
interface Place {
  readonly log: string
  readonly offset: number
}

interface Target {
  readonly metric: string
  readonly usageDate: string
  readonly labels: string
  readonly value: string
  readonly correctionBatch?: string
}

/** Detects what the corrections of one batch change. Its state is that of the events after the corrections so far. */
export class BatchCorrections {
  readonly #stored: StoredRecords
  readonly #firsts: FirstsOfBatch
  readonly #states = new IdentityMap<{ revision: number; value: string | undefined }>()

  constructor(stored: StoredRecords, firsts: FirstsOfBatch) {
    this.#stored = stored
    this.#firsts = firsts
  }

  /**
   * The verdict on one correction; call it in log order. The event is looked up before the correction's own identity: a correction that comes
   * before its event and again after it is rejected the first time, also when it is detected again after the second one was stored.
   */
  classify(place: Place, correction: Correction): CorrectionVerdict {
    const { projectId, eventId, corrects, action, value } = correction
    const known = this.#stored.corrections.get(projectId, eventId)
    if (known !== undefined && known.log === place.log && known.offset === place.offset) return { status: 'already_stored' }
    const target = this.#findTarget(place, correction)
    if (target === undefined) return rejected('unknown_event', this.#describeUnknown(correction))
    if (this.#waits([projectId, corrects], target)) return rejected('unknown_event', describeWaiting(target.correctionBatch))
    const first = this.#stored.events.get(projectId, eventId) ?? known ?? this.#firsts.get(projectId, eventId)
    if (first !== undefined) return compareCorrection(correction, first)
    if (action === 'amend' && this.#stored.notAmendable.has(target.metric))
      return rejected(
        'invalid_value',
        `An event of ${target.metric} has no value that can be amended. Send a void, and then, if other usage must count instead, an event with an id of its own.`,
      )
    if (this.#wasRejected(place, [projectId, corrects])) return rejected('unknown_event', REJECTED_BEFORE)
    const before = this.#stateOf([projectId, corrects], target)
    const after = action === 'void' ? undefined : value
    const effect: CorrectionEffect = {
      revision: before.revision + 1,
      metric: target.metric,
      usageDate: target.usageDate,
      labels: target.labels,
      addedTotal: subtractDecimals(after ?? '0', before.value ?? '0'),
      addedVoided: addedVoided(before.value !== undefined, after !== undefined),
    }
    this.#states.set(projectId, corrects, { revision: effect.revision, value: after })
    this.#firsts.set(projectId, eventId, correction)
    return { status: 'counted', effect }
  }

  /** The event must be before its correction. What another log holds was counted before, when its source was in force. */
  #findTarget({ log, offset }: Place, { projectId, corrects }: Correction): Target | undefined {
    const stored = this.#stored.events.get(projectId, corrects)
    if (stored !== undefined) return stored.log !== log || stored.offset < offset ? stored : undefined
    const inBatch = this.#firsts.get(projectId, corrects)
    if (inBatch === undefined || 'corrects' in inBatch) return undefined
    const { metric, value, timestampMs, labels = '', correctionBatch = '' } = inBatch
    return { metric, value, usageDate: dayOf(timestampMs), labels, correctionBatch }
  }

  /** An event of a batch counts only by the correction that its closing stored, and cannot be corrected before. */
  #waits(event: Identity, { correctionBatch = '' }: Target): boolean {
    return correctionBatch !== '' && (this.#stored.corrected.get(...event) ?? []).length === 0
  }

  /**
   * Whether a later correction of the event is stored, in the same log: then this one was rejected when its log was read first, because its
   * event came later, through another source. A replay must not count it: it would have the revision, and start from the value, of one
   * that is stored.
   */
  #wasRejected({ offset }: Place, event: Identity): boolean {
    return (this.#stored.corrected.get(...event) ?? []).some((each) => each.fromOffset > offset)
  }

  #stateOf([projectId, corrects]: Identity, target: Target): { revision: number; value: string | undefined } {
    const inBatch = this.#states.get(projectId, corrects)
    if (inBatch !== undefined) return inBatch
    let latest: Corrected | undefined
    for (const each of this.#stored.corrected.get(projectId, corrects) ?? []) if (each.revision > (latest?.revision ?? 0)) latest = each
    if (latest === undefined) return { revision: 0, value: target.value }
    return { revision: latest.revision, value: latest.action === 'void' ? undefined : latest.value }
  }

  #describeUnknown({ projectId, corrects }: Correction): string {
    const inBatch = this.#firsts.get(projectId, corrects)
    if (this.#stored.corrections.get(projectId, corrects) !== undefined || (inBatch !== undefined && 'corrects' in inBatch))
      return 'corrects names a correction, which cannot be corrected itself. Send another correction of the event: the latest one applies.'
    return 'This project has no event with the id in corrects before this correction. Send the event first, then send the correction again.'
  }
}

function describeWaiting(batch: string | undefined): string {
  return `The event was sent to the correction batch ${batch}, which is not closed, so it does not count yet. Send the correction again after the batch is closed.`
}

const REJECTED_BEFORE =
  'This correction came before its event and was rejected, and a later one has counted since. If it must still apply, send it again with an id of its own.'

/** A copy has the same event, action and value; its reason may differ. */
export function isCopyOf(
  { corrects, action, value }: Correction,
  first: Pick<StoredCorrection, 'corrects' | 'action' | 'value'> & { readonly batch?: string },
): boolean {
  return (first.batch ?? '') === '' && first.corrects === corrects && first.action === action && first.value === value
}

function compareCorrection(correction: Correction, first: StoredEvent | StoredCorrection | UsageEvent | Correction): CorrectionVerdict {
  if ('corrects' in first && isCopyOf(correction, first)) return { status: 'duplicate' }
  return rejected('conflict', describeConflict(correction, first))
}

/** What a correction adds to the number of events that do not count. */
export function addedVoided(countedBefore: boolean, countsAfter: boolean): -1 | 0 | 1 {
  if (countedBefore === countsAfter) return 0
  return countedBefore ? 1 : -1
}

function rejected(reason: RejectReason, message: string): CorrectionVerdict {
  return { status: 'rejected', rejection: { reason, message } }
}
