import type { CountedEvent } from './folded-project.ts'

/** The events of each key, in their order. */
export function groupBy(events: readonly CountedEvent[], keyOf: (event: CountedEvent) => string): Map<string, CountedEvent[]> {
  const groups = new Map<string, CountedEvent[]>()
  for (const event of events) {
    const group = groups.get(keyOf(event))
    if (group === undefined) groups.set(keyOf(event), [event])
    else group.push(event)
  }
  return groups
}

/** The UTC day, as YYYY-MM-DD. */
export function dayOf({ timestampMs }: Pick<CountedEvent, 'timestampMs'>): string {
  return new Date(timestampMs).toISOString().slice(0, 10)
}
