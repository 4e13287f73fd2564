import type { AnswerOf } from '../../contract/operation.ts'
import type { GET_PARTNERSHIP_USAGE, GET_PROJECT_USAGE } from '../../contract/usage.ts'
import { compareDecimals } from '../../metering/exact-decimal.ts'
import { METRIC_NAMES, METRICS, type MeasuredMetric } from '../../metering/metrics.ts'
import type { AsText } from '../calls/numbers-as-text.ts'

export type PartnershipUsage = AsText<AnswerOf<typeof GET_PARTNERSHIP_USAGE>>
export type ProjectUsage = AsText<AnswerOf<typeof GET_PROJECT_USAGE>>

/** A metric in a period: quantities are texts with all their digits. */
export interface Figure extends MeasuredMetric {
  readonly total: string
  /** By day; days without events are left out. */
  readonly days: ReadonlyMap<string, string>
  /** The day on which a peak was reached, the earliest on ties; undefined for other metrics and without usage. */
  readonly peakDay: string | undefined
  /** Of a peak: the sum of its days. */
  readonly byteDays: ByteDays | undefined
}

export type ByteDays = NonNullable<ProjectUsage['byte_days']>[number]

/** The documented metrics, then those that operators have defined and that have usage. */
export function figuresOfPartnership({ summary, daily_usage = [], peak_days, metrics, byte_days }: PartnershipUsage): Figure[] {
  const byteDays = byMetric(byte_days)
  const documented = METRIC_NAMES.map((metric) => {
    const name = METRICS[metric].partnershipName
    const days = new Map(daily_usage.map((day) => [day.usage_date, day[name]]))
    const peakDay = (peak_days as Record<string, string | null> | undefined)?.[name] ?? undefined
    return { metric, kind: METRICS[metric].kind, unit: METRICS[metric].unit, total: summary[name], days, peakDay, byteDays: byteDays.get(metric) }
  })
  return [...documented, ...figuresOfDefined({ metrics, daily: daily_usage, byteDays })]
}

export function figuresOfProject({ summary, daily_usage, metrics, byte_days }: ProjectUsage): Figure[] {
  const byteDays = byMetric(byte_days)
  const documented = METRIC_NAMES.map((metric) => {
    const days = new Map(daily_usage.map((day) => [day.usage_date, day[metric]]))
    const total = summary[METRICS[metric].projectSummaryName]
    const { kind, unit } = METRICS[metric]
    return { metric, kind, unit, total, days, peakDay: kind === 'peak' ? dayOf(days, total) : undefined, byteDays: byteDays.get(metric) }
  })
  return [...documented, ...figuresOfDefined({ metrics, daily: daily_usage, byteDays })]
}

interface DefinedUsage {
  readonly metrics: ProjectUsage['metrics']
  readonly daily: readonly Pick<ProjectUsage['daily_usage'][number], 'usage_date' | 'metrics'>[]
  readonly byteDays: ReadonlyMap<string, ByteDays>
}

function byMetric(all: readonly ByteDays[] = []): ReadonlyMap<string, ByteDays> {
  return new Map(all.map((each) => [each.metric, each]))
}

function figuresOfDefined({ metrics = {}, daily, byteDays }: DefinedUsage): Figure[] {
  return Object.entries(metrics).map(([metric, { value: total, kind, unit }]) => {
    const days = new Map(
      daily.flatMap(({ usage_date, metrics: ofDay = {} }) => (ofDay[metric] === undefined ? [] : [[usage_date, ofDay[metric].value] as const])),
    )
    return { metric, kind, unit, total, days, peakDay: kind === 'peak' ? dayOf(days, total) : undefined, byteDays: byteDays.get(metric) }
  })
}

function dayOf(days: ReadonlyMap<string, string>, total: string): string | undefined {
  if (!isUsed({ total, days })) return undefined
  return [...days].find(([, value]) => compareDecimals(value, total) === 0)?.[0]
}

export function isUsed({ total, days }: Pick<Figure, 'total' | 'days'>): boolean {
  return compareDecimals(total, '0') !== 0 || [...days.values()].some((value) => compareDecimals(value, '0') !== 0)
}
