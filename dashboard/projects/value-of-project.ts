import { isMetricName, METRICS, type MeasuredMetric } from '../../metering/metrics.ts'
import type { ListedProject } from './read-projects.ts'

/**
 * What a project adds to the partner's total, so that the lines of all projects add up to it: of a peak its value on the day of the
 * partner's peak, of other metrics its sum. A defined metric that an answer leaves out has no usage, or no peak.
 */
export function shareOf(project: ListedProject, { metric, kind }: MeasuredMetric): string {
  if (kind !== 'peak') return ownMaximumOf(project, metric)
  const { on_peak_days } = project
  if (on_peak_days === undefined) throw new Error('The answer has no values on the peak days of the partner.')
  if (!isMetricName(metric)) return on_peak_days.metrics?.[metric] ?? '0'
  const share = (on_peak_days as unknown as Readonly<Record<string, string>>)[METRICS[metric].projectSummaryName]
  if (share === undefined) throw new Error(`The answer has no ${metric} on the partner's peak day.`)
  return share
}

/** The value of the project itself in the period: of a peak its own greatest, whichever day it was on. */
export function ownMaximumOf({ summary, metrics }: ListedProject, metric: string): string {
  return isMetricName(metric) ? summary[METRICS[metric].projectSummaryName] : (metrics?.[metric]?.value ?? '0')
}
