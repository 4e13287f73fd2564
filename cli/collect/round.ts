import type { Ignored, SourceFailure } from '../../emitter/collectors/collection.ts'
import { advanceSlots, type Gap } from '../../emitter/collectors/gaps.ts'
import type { DeliveryFailure } from '../../emitter/deliver.ts'
import type { WireEvent } from '../../emitter/event.ts'
import type { Collector, Round } from './collector.ts'
import { type Delivering, deliverSamples, isLevel, type Outcomes, type RejectedSample } from './deliver-samples.ts'
import type { Slots } from './saved-slots.ts'

export interface RoundOptions {
  /** Undefined for a dry run. */
  readonly deliver: Delivering | undefined
  readonly onSamples: ((samples: readonly WireEvent[]) => Promise<void>) | undefined
  /** Samples of earlier rounds that could not be delivered. */
  readonly carried: readonly WireEvent[]
}

/** What became of one collection. */
export interface RoundResult {
  readonly collector: string
  readonly at: string
  readonly samples: number
  readonly accepted: number
  readonly duplicates: number | undefined
  readonly rejected: readonly RejectedSample[]
  readonly undelivered: readonly WireEvent[]
  readonly deliveryFailure: DeliveryFailure | undefined
  readonly gaps: readonly Gap[]
  readonly failures: readonly SourceFailure[]
  readonly ignored: readonly Ignored[]
  readonly slots: Slots
}

/** Collects once and sends the samples. Never rejects because of a source or of the service. */
export async function collectRound(collector: Collector, round: Round, { deliver, onSamples, carried }: RoundOptions): Promise<RoundResult> {
  const failures: SourceFailure[] = []
  const ignored: Ignored[] = []
  const countedThroughMs = new Map(round.slots.countedThroughMs)
  let total = newTotal()
  const send = async (samples: readonly WireEvent[]) => {
    await onSamples?.(samples)
    const outcomes = deliver === undefined || total.failure !== undefined ? notSent(samples, deliver === undefined) : await deliverSamples(samples, deliver)
    total = addOutcomes(total, samples, outcomes)
  }
  if (carried.length > 0) await send(carried)
  try {
    for await (const part of collector.collect(round)) {
      failures.push(...part.failures)
      ignored.push(...part.ignored)
      await send(part.samples)
      // Hours whose counts did not arrive are asked for again.
      if (total.failure === undefined) for (const [project, ms] of part.countedThroughMs ?? []) countedThroughMs.set(project, ms)
    }
  } catch (error) {
    failures.push({ source: collector.name, message: error instanceof Error ? error.message : String(error) })
  }
  const { last, gaps } = advanceSlots(round.slots.last, total.levels, collector.slotMs)
  return {
    collector: collector.name,
    at: new Date(round.nowMs).toISOString(),
    samples: total.samples,
    accepted: total.accepted,
    duplicates: total.duplicates,
    rejected: total.rejected,
    undelivered: total.undelivered,
    deliveryFailure: total.failure,
    gaps,
    failures,
    ignored,
    slots: { last, countedThroughMs },
  }
}

type Total = Omit<Outcomes, 'delivered'> & { readonly samples: number; readonly levels: readonly WireEvent[] }

function newTotal(): Total {
  return { samples: 0, levels: [], accepted: 0, duplicates: 0, rejected: [], undelivered: [], failure: undefined }
}

function addOutcomes(total: Total, samples: readonly WireEvent[], outcomes: Outcomes): Total {
  const { duplicates } = total
  return {
    samples: total.samples + samples.length,
    levels: [...total.levels, ...outcomes.delivered.filter(({ metric }) => isLevel(metric))],
    accepted: total.accepted + outcomes.accepted,
    duplicates: duplicates === undefined || outcomes.duplicates === undefined ? undefined : duplicates + outcomes.duplicates,
    rejected: [...total.rejected, ...outcomes.rejected],
    undelivered: [...total.undelivered, ...outcomes.undelivered],
    failure: total.failure ?? outcomes.failure,
  }
}

/** In a dry run every sample passes as if it had been sent; after a failed delivery none is tried. */
function notSent(samples: readonly WireEvent[], isDryRun: boolean): Outcomes {
  const [delivered, undelivered] = isDryRun ? [samples, []] : [[], samples]
  return { accepted: 0, duplicates: 0, rejected: [], delivered, undelivered, failure: undefined }
}
