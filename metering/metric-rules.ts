import type { MetricKind } from './metrics.ts'

/** How a figure of a metric is computed, in one sentence. */
export function ruleOf(of: 'project' | 'partnership', { metric, kind }: { readonly metric: string; readonly kind: MetricKind }): string {
  return `${metric} is ${RULES[of][kind]}`
}

const RULES: Record<'project' | 'partnership', Record<MetricKind, string>> = {
  project: {
    peak: 'a peak: the greatest sample of each UTC day, then the greatest of the days.',
    cumulative: 'cumulative: the sum of the values of all events of the period.',
    count: 'a count: the number of events of the period.',
  },
  partnership: {
    peak: 'a peak: for each UTC day the greatest sample of every project, deleted ones included, added up over the projects; then the greatest of the days.',
    cumulative: 'cumulative: the sum of the values of all events of the period, over all projects, deleted ones included.',
    count: 'a count: the number of events of the period, over all projects, deleted ones included.',
  },
}
