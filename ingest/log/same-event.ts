import type { UsageEvent } from '../../metering/event.ts'
import type { StoredEvent } from './stored-events.ts'

/**
 * Whether an event is a copy of the first one of its identity. Both values are in their shortest form, so equal text is equal quantity;
 * the value of a metric that counts different texts is the text. What was sent is compared, not what a correction made of it. An event of a
 * batch and any other are never copies of each other: were they, an operator who replaces usage by events with the same ids would void the one and not count the other.
 */
export function isSameEvent(event: UsageEvent, first: UsageEvent | StoredEvent): boolean {
  const isSameUsage = event.metric === first.metric && event.value === first.value && (event.text ?? '') === (first.text ?? '')
  return isSameUsage && (event.correctionBatch ?? '') === (first.correctionBatch ?? '')
}
