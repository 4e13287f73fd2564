import { type DeliveryFailure, deliverTexts, type RetryProblem } from '../../emitter/deliver.ts'
import type { WireEvent } from '../../emitter/event.ts'
import type { Post } from '../../emitter/post.ts'
import { METRICS, type MetricName } from '../../metering/metrics.ts'

const BATCH_EVENTS_MAX = 1_000
/** How long a service that does not answer is waited for. */
export const GIVE_UP_AFTER_MS = 60_000

export interface RejectedSample {
  readonly sample: WireEvent
  readonly reason: string
  readonly message: string
}

export interface Outcomes {
  readonly accepted: number
  /** Undefined if the service detects them later. */
  readonly duplicates: number | undefined
  readonly rejected: readonly RejectedSample[]
  /** Counted now or before. */
  readonly delivered: readonly WireEvent[]
  /** Without an outcome, because of `failure`. */
  readonly undelivered: readonly WireEvent[]
  readonly failure: DeliveryFailure | undefined
}

export interface Delivering {
  readonly post: Post
  readonly signal: AbortSignal
  readonly onRetry: (problem: RetryProblem) => void
}

/** Sends samples, in several requests if need be. Never rejects. */
export async function deliverSamples(samples: readonly WireEvent[], { post, signal, onRetry }: Delivering): Promise<Outcomes> {
  let [accepted, duplicates]: [number, number | undefined] = [0, 0]
  const rejected: RejectedSample[] = []
  const delivered: WireEvent[] = []
  for (let from = 0; from < samples.length; from += BATCH_EVENTS_MAX) {
    const batch = samples.slice(from, from + BATCH_EVENTS_MAX)
    const texts = batch.map((sample) => JSON.stringify(sample))
    const delivery = await deliverTexts(texts, post, { signal, giveUpAfterMs: GIVE_UP_AFTER_MS, onRetry })
    accepted += delivery.accepted
    duplicates = duplicates === undefined || delivery.duplicates === undefined ? undefined : duplicates + delivery.duplicates
    const undelivered: WireEvent[] = []
    for (const [index, sample] of batch.entries()) {
      const outcome = delivery.outcomes[index]
      if (outcome?.status === 'rejected' && !isOfSampledSlot(sample, outcome.reason)) rejected.push({ sample, ...outcome })
      else if (outcome?.status === 'undelivered') undelivered.push(sample)
      else {
        delivered.push(sample)
        if (outcome?.status === 'rejected' && duplicates !== undefined) duplicates += 1
      }
    }
    if (delivery.failure !== undefined)
      return { accepted, duplicates, rejected, delivered, undelivered: [...undelivered, ...samples.slice(from + batch.length)], failure: delivery.failure }
  }
  return { accepted, duplicates, rejected, delivered, undelivered: [], failure: undefined }
}

/**
 * The slot of a level has a sample already, which was taken a little earlier and had another size: that one counts. A count that differs from
 * the one that was counted, however, is a rejected event that a person has to know of.
 */
function isOfSampledSlot({ metric }: WireEvent, reason: string): boolean {
  return reason === 'conflict' && isLevel(metric)
}

export function isLevel(metric: string): boolean {
  return METRICS[metric as MetricName].kind === 'peak'
}
