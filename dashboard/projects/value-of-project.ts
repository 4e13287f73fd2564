import { METRICS, type MetricName } from '../../metering/metrics.ts'
import type { ListedProject } from './read-projects.ts'

/**
 * What a project adds to the partner's total, so that the lines of all projects add up to it: of a peak its value on the day of the
 * partner's peak, of other metrics its sum.
 */
export function shareOf({ summary, on_peak_days }: ListedProject, metric: MetricName): string {
  const { kind, projectSummaryName } = METRICS[metric]
  if (kind === 'cumulative') return summary[projectSummaryName]
  const share = (on_peak_days as Readonly<Record<string, string>> | undefined)?.[projectSummaryName]
  if (share === undefined) throw new Error(`The answer has no ${projectSummaryName} on the partner's peak day.`)
  return share
}

/** The greatest value of the project itself, whichever day it was on. */
export function ownMaximumOf({ summary }: ListedProject, metric: MetricName): string {
  return summary[METRICS[metric].projectSummaryName]
}
