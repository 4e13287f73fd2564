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
    last: 'a last value: the latest sample of each UTC day by its timestamp; of the period that of its last day with events.',
    unique: 'a number of different texts: those of the events of the day, and those of all events of the period.',
  },
  partnership: {
    peak: 'a peak: for each UTC day the greatest sample of every project, deleted ones included, added up over the projects; then the greatest of the days.',
    cumulative: 'cumulative: the sum of the values of all events of the period, over all projects, deleted ones included.',
    count: 'a count: the number of events of the period, over all projects, deleted ones included.',
    last: 'a last value: the sum over all projects, deleted ones included, of the latest sample of each project in the period.',
    unique: 'a number of different texts: the sum over all projects, deleted ones included, of the number of different texts of each in the period.',
  },
}
