import type { ProjectSort } from '../../contract/partner-projects.ts'
import { isMetricName, METRICS } from '../../metering/metrics.ts'

export type ShownSort = 'name' | '-usage' | 'usage' | '-last_activity_at' | '-created_at'

export const SORT_NAMES: Readonly<Record<ShownSort, string>> = {
  name: 'name',
  '-usage': 'most usage first',
  usage: 'least usage first',
  '-last_activity_at': 'last active first',
  '-created_at': 'newest first',
}

/** The order of the API for an order of the page: usage is that of the chosen metric. */
export function sortOf(sort: string | undefined, metric: string): ProjectSort {
  const byUsage = isMetricName(metric) ? METRICS[metric].projectSummaryName : (`metrics.${metric}` as const)
  if (sort === 'usage') return byUsage
  if (sort === '-usage') return `-${byUsage}`
  return sort === '-last_activity_at' || sort === '-created_at' ? sort : 'name'
}
