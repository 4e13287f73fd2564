/** The events of each key, in their order. */
export function groupBy<Event>(events: readonly Event[], keyOf: (event: Event) => string): Map<string, Event[]> {
  const groups = new Map<string, Event[]>()
  for (const event of events) {
    const group = groups.get(keyOf(event))
    if (group === undefined) groups.set(keyOf(event), [event])
    else group.push(event)
  }
  return groups
}

/** The UTC day, as YYYY-MM-DD. */
export function dayOf({ timestampMs }: { readonly timestampMs: number }): string {
  return new Date(timestampMs).toISOString().slice(0, 10)
}
