import type { Arrival } from './arrival.ts'
import type { KnownMetrics } from './known-metrics.ts'
import { type ValidatedEvent, type ValidationContext, validateEvent } from './pipeline.ts'

/** Validates the events of a request. If one is of an unknown metric or has unknown labels, the catalogue is read again first. Throws StoreError. */
export async function validateEvents(
  arrivals: readonly Arrival[],
  context: Omit<ValidationContext, 'metrics'>,
  metrics: KnownMetrics,
): Promise<ValidatedEvent[]> {
  const complete = { ...context, metrics }
  const validate = () => arrivals.map((arrival) => validateEvent(arrival, complete))
  let validated = validate()
  if (validated.some((each) => metrics.mayBeOutdatedFor(each))) {
    await metrics.refresh()
    validated = validate()
  }
  for (const each of validated) metrics.noteIgnoredLabels(each)
  return validated
}
