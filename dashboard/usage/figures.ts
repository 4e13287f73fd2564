import type { AnswerOf } from '../../contract/operation.ts'
import type { GET_PARTNERSHIP_USAGE, GET_PROJECT_USAGE } from '../../contract/usage.ts'
import { compareDecimals } from '../../metering/exact-decimal.ts'
import { METRIC_NAMES, METRICS, type MetricName } from '../../metering/metrics.ts'
import type { AsText } from '../calls/numbers-as-text.ts'

export type PartnershipUsage = AsText<AnswerOf<typeof GET_PARTNERSHIP_USAGE>>
export type ProjectUsage = AsText<AnswerOf<typeof GET_PROJECT_USAGE>>

/** A metric in a period: quantities are texts with all their digits. */
export interface Figure {
  readonly metric: MetricName
  readonly total: string
  /** By day; days without events are left out. */
  readonly days: ReadonlyMap<string, string>
  /** The day on which a peak was reached, the earliest on ties; undefined for other metrics and without usage. */
  readonly peakDay: string | undefined
}

export function figuresOfPartnership({ summary, daily_usage = [], peak_days }: PartnershipUsage): Figure[] {
  return METRIC_NAMES.map((metric) => {
    const name = METRICS[metric].partnershipName
    const days = new Map(daily_usage.map((day) => [day.usage_date, day[name]]))
    return { metric, total: summary[name], days, peakDay: (peak_days as Record<string, string | null> | undefined)?.[name] ?? undefined }
  })
}

export function figuresOfProject({ summary, daily_usage }: ProjectUsage): Figure[] {
  return METRIC_NAMES.map((metric) => {
    const days = new Map(daily_usage.map((day) => [day.usage_date, day[metric]]))
    const total = summary[METRICS[metric].projectSummaryName]
    return { metric, total, days, peakDay: METRICS[metric].kind === 'peak' ? dayOf(days, total) : undefined }
  })
}

function dayOf(days: ReadonlyMap<string, string>, total: string): string | undefined {
  if (!isUsed({ total, days })) return undefined
  return [...days].find(([, value]) => compareDecimals(value, total) === 0)?.[0]
}

export function isUsed({ total, days }: Pick<Figure, 'total' | 'days'>): boolean {
  return compareDecimals(total, '0') !== 0 || [...days.values()].some((value) => compareDecimals(value, '0') !== 0)
}
