import { groupedBy } from '../../metering/grouped-by.ts'
import { LEVEL, METRICS_OF_STATES } from './chaos-metrics.ts'
import { dayOf } from './day-of.ts'
import type { CountedEvent } from './folded-project.ts'

/** Compares the states of the kinds `last` and `unique` with the events as they were sent: corrections do not change them. */
export function compareStates(sent: readonly CountedEvent[], rows: readonly string[][]): string[] {
  const ofStates = sent.filter(({ metric }) => METRICS_OF_STATES.includes(metric))
  const cells = groupedBy(ofStates, (event) => JSON.stringify([event.projectId, dayOf(event), event.metric]))
  const expected = new Map([...cells].map(([key, events]) => [key, stateOf(events)]))
  const differences: string[] = []
  for (const [project, day, metric, last = '', texts = ''] of rows) {
    const key = JSON.stringify([project, day, metric])
    const state = metric === LEVEL ? last : texts
    if (expected.get(key) !== state) differences.push(`states: ${key} is ${state} instead of ${expected.get(key) ?? 'nothing'}`)
    expected.delete(key)
  }
  return [...differences, ...[...expected].map(([key, state]) => `states: ${key} is not stored, which must be ${state}`)]
}

/** The number of different texts, or the latest sample as one number: 64 bits of its time, 64 of its offset, 128 of its value in billionths. */
function stateOf(events: readonly CountedEvent[]): string {
  if (events[0]?.metric !== LEVEL) return String(new Set(events.map(({ text }) => text)).size)
  const latest = latestOf(events)
  return latest === undefined ? '' : String((BigInt(latest.timestampMs) << 192n) + (BigInt(latest.offset) << 128n) + latest.quantity)
}

/** By time, and on ties by the place in the log. */
export function latestOf(events: readonly CountedEvent[]): CountedEvent | undefined {
  let latest: CountedEvent | undefined
  for (const event of events)
    if (latest === undefined || event.timestampMs > latest.timestampMs || (event.timestampMs === latest.timestampMs && event.offset > latest.offset))
      latest = event
  return latest
}
