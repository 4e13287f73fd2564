import type { Arrival } from './arrival.ts'
import { isOfUnknownMetric, type KnownMetrics } from './known-metrics.ts'
import { type ValidatedEvent, type ValidationContext, validateEvent } from './pipeline.ts'

/** Validates the events of a request. If one is of an unknown metric, the catalogue is read again first. Throws StoreError. */
export async function validateEvents(
  arrivals: readonly Arrival[],
  context: Omit<ValidationContext, 'metrics'>,
  metrics: KnownMetrics,
): Promise<ValidatedEvent[]> {
  const complete = { ...context, metrics }
  const validate = () => arrivals.map((arrival) => validateEvent(arrival, complete))
  const validated = validate()
  if (!validated.some(isOfUnknownMetric)) return validated
  await metrics.refresh()
  return validate()
}
