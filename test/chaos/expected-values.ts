import { METRICS, type MetricName } from '../../metering/metrics.ts'
import { USERS } from './chaos-metrics.ts'
import { latestOf } from './compare-states.ts'
import type { CountedEvent } from './folded-project.ts'
import type { Total, Totals } from './stored.ts'

/** The value of events of some days: their latest sample, or the number of their different texts. */
export function valueOfStates(metric: string, events: readonly CountedEvent[] = []): bigint {
  const ofMetric = events.filter((event) => event.metric === metric)
  if (metric === USERS) return BigInt(new Set(ofMetric.map(({ text }) => text)).size) * 1_000_000_000n
  return latestOf(ofMetric)?.quantity ?? 0n
}

/** The value of a partnership, which is the sum of its projects. */
export function partnershipValueOfStates(metric: string, ofProjects: ReadonlyMap<string, readonly CountedEvent[]>): bigint {
  return [...ofProjects.values()].reduce((sum, events) => sum + valueOfStates(metric, events), 0n)
}

/** Adds the projects of each day first, then takes the highest day of a peak metric or adds the days of any other. */
export function partnershipValue(metric: MetricName, expected: Totals, projects: readonly string[]): bigint {
  const sums = new Map<string, bigint>()
  for (const project of projects) {
    for (const [day, metrics] of expected.get(project) ?? []) sums.set(day, (sums.get(day) ?? 0n) + (quantityOf(metric, metrics.get(metric)) ?? 0n))
  }
  return combine(metric, [...sums.values()])
}

export function quantityOf(metric: MetricName, total: Total | undefined): bigint | undefined {
  return METRICS[metric].kind === 'peak' ? total?.peak : total?.sum
}

export function combine(metric: MetricName, quantities: readonly bigint[]): bigint {
  const add = METRICS[metric].kind === 'cumulative'
  let all = 0n
  for (const quantity of quantities) {
    if (add) all += quantity
    else if (quantity > all) all = quantity
  }
  return all
}
