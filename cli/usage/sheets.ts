import { dailyName, partnershipName, projectSummaryName } from '../../contract/fields.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import type { LIST_PARTNER_PROJECTS } from '../../contract/partner-projects.ts'
import type { GET_PARTNERSHIP_USAGE, GET_PROJECT_USAGE } from '../../contract/usage.ts'
import { METRIC_NAMES, METRICS, type MeasuredMetric, type MetricName } from '../../metering/metrics.ts'
import { sparkline } from './sparkline.ts'

/** Usage of a project or a partnership, under one name for each metric. Quantities are texts with all their digits. */
export interface Figures {
  readonly subject: string
  readonly period: { readonly start: string; readonly end: string }
  readonly as_of: string | null
  readonly billing_status: string
  /** The documented metrics, then the defined ones that have usage. */
  readonly metrics: readonly MeasuredMetric[]
  readonly days: readonly { readonly day: string; readonly values: Values }[]
  readonly totals?: Values
  /** Of metrics of the kind unique: the different texts over all projects of the partner, which is not what it is billed. */
  readonly unions?: Values
  /** The day of each peak, where it was reached. */
  readonly peakDays?: Readonly<Partial<Record<string, string>>>
  /** Of an answer with byte-days. */
  readonly byteDays?: ByteDays | undefined
  /** Of an answer by labels. */
  readonly groups?: Groups | undefined
}

export type Groups = NonNullable<AnswerOf<typeof GET_PROJECT_USAGE>['groups']>

export type ByteDays = NonNullable<AnswerOf<typeof GET_PROJECT_USAGE>['byte_days']>

/** By metric; one that is missing had no usage. */
type Values = Readonly<Record<string, string>>

/** `metrics` of an answer. */
type Defined = AnswerOf<typeof GET_PROJECT_USAGE>['metrics']

/** Rows and columns, before they are printed as a table or as CSV. */
export interface Sheet {
  readonly columns: readonly Column[]
  readonly rows: readonly Row[]
}

export interface Column {
  readonly name: string
  readonly holds: 'text' | 'number' | 'chart'
  /** Whether every row has 0 here: a table leaves such a column out. */
  readonly isEmpty: boolean
  /** Whether a table on a narrow terminal may shorten it. */
  readonly isFlexible?: true
}

interface Row {
  readonly cells: readonly string[]
  /** The columns whose peak is in this row. */
  readonly peaks?: readonly string[]
}

export function figuresOfPartnership(answer: AnswerOf<typeof GET_PARTNERSHIP_USAGE>): Figures {
  const { partnership, summary, metrics: defined, daily_usage = [], peak_days, byte_days: byteDays, ...rest } = answer
  const totals = valuesOf(summary, partnershipName, defined)
  const days = daily_usage.map((each) => ({ day: each.usage_date, values: valuesOf(each, partnershipName, each.metrics) }))
  const documented = METRIC_NAMES.map((metric) => [metric, (peak_days as Record<string, string | null> | undefined)?.[partnershipName(metric)] ?? undefined])
  const peakDays = { ...Object.fromEntries(documented), ...peakDaysOf(measuredIn(defined), totals, days) }
  const unions = Object.fromEntries(Object.entries(defined ?? {}).flatMap(([metric, { union }]) => (union === undefined ? [] : [[metric, union.text]])))
  return { ...rest, subject: partnership.name, metrics: allMetrics(defined), totals, unions, days, peakDays, byteDays }
}

export function figuresOfProject({ project, summary, metrics: defined, daily_usage, byte_days, ...rest }: AnswerOf<typeof GET_PROJECT_USAGE>): Figures {
  const metrics = allMetrics(defined)
  const totals = valuesOf(summary, projectSummaryName, defined)
  const days = daily_usage.map((each) => ({ day: each.usage_date, values: valuesOf(each, dailyName, each.metrics) }))
  const subject = project.status === 'active' ? project.name : `${project.name} (${project.status})`
  return { ...rest, subject, metrics, totals, days, peakDays: peakDaysOf(metrics, totals, days), byteDays: byte_days }
}

const DOCUMENTED: readonly MeasuredMetric[] = METRIC_NAMES.map((metric) => ({ metric, ...METRICS[metric] }))

function allMetrics(defined: Defined): MeasuredMetric[] {
  return [...DOCUMENTED, ...measuredIn(defined)]
}

function measuredIn(defined: Defined = {}): MeasuredMetric[] {
  return Object.entries(defined).map(([metric, { kind, unit }]) => ({ metric, kind, unit }))
}

/** A peak is reached on the greatest day, and on the first one on ties. */
function peakDaysOf(metrics: readonly MeasuredMetric[], totals: Values, days: Figures['days']): Partial<Record<string, string>> {
  const peaks = metrics.filter(({ metric, kind }) => kind === 'peak' && (totals[metric] ?? '0') !== '0')
  return Object.fromEntries(peaks.map(({ metric }) => [metric, days.find(({ values }) => values[metric] === totals[metric])?.day]))
}

/** A row for each metric, with how it adds up and a line of its days. */
export function byMetric({ metrics, totals, unions = {}, days, peakDays, period }: Figures): Sheet {
  const dates = datesBetween(period.start.slice(0, 10), period.end.slice(0, 10))
  const chart = (metric: string) => sparkline(dates.map((date) => Number(days.find(({ day }) => day === date)?.values[metric] ?? 0)))
  const hasUnions = Object.keys(unions).length > 0
  return {
    columns: [
      ...[text('metric'), text('adds up as'), text('unit'), number('usage')],
      ...(hasUnions ? [number('over all projects')] : []),
      ...[text('peak day'), { ...text('days'), holds: 'chart' as const }],
    ],
    rows: metrics.map(({ metric, kind, unit }) => ({
      cells: [
        ...[metric, ADDS_UP_AS[kind], unit, totals?.[metric] ?? '0'],
        ...(hasUnions ? [unions[metric] ?? ''] : []),
        ...[peakDays?.[metric] ?? '', chart(metric)],
      ],
    })),
  }
}

const ADDS_UP_AS: Readonly<Record<MeasuredMetric['kind'], string>> = { peak: 'peak', cumulative: 'sum', count: 'count', last: 'last value', unique: 'unique' }

/** A row for each day with usage. */
export function byDay({ metrics, days, peakDays }: Figures): Sheet {
  const names = metrics.map(({ metric }) => metric)
  return {
    columns: [text('day'), ...metricColumns(names, days)],
    rows: days.map(({ day, values }) => ({
      cells: [day, ...names.map((metric) => values[metric] ?? '0')],
      peaks: names.filter((metric) => peakDays?.[metric] === day),
    })),
  }
}

/** A row for each project; a deleted one has the day of its deletion. */
export function byProject(projects: AnswerOf<typeof LIST_PARTNER_PROJECTS>['projects']): Sheet {
  const all = projects.map((each) => ({ ...each, values: valuesOf(each.summary, projectSummaryName, each.metrics) }))
  const names = [...METRIC_NAMES, ...new Set(projects.flatMap(({ metrics = {} }) => Object.keys(metrics)))]
  return {
    columns: [text('project'), { ...text('name'), isFlexible: true }, text('status'), text('deleted'), ...metricColumns(names, all)],
    rows: all.map(({ id, name, status, deleted_at, values }) => ({
      cells: [id, name, status, deleted_at?.slice(0, 10) ?? '', ...names.map((metric) => values[metric] ?? '0')],
    })),
  }
}

function valuesOf(quantities: object, nameOf: (metric: MetricName) => string, defined: Defined = {}): Values {
  const values = quantities as Record<string, { readonly text: string }>
  const documented = METRIC_NAMES.map((metric) => [metric, values[nameOf(metric)]?.text ?? '0'])
  return Object.fromEntries([...documented, ...Object.entries(defined).map(([metric, { value }]) => [metric, value.text])])
}

function metricColumns(names: readonly string[], rows: readonly { readonly values: Values }[]): Column[] {
  return names.map((metric) => ({ ...number(metric), isEmpty: rows.every(({ values }) => (values[metric] ?? '0') === '0') }))
}

export function text(name: string): Column {
  return { name, holds: 'text', isEmpty: false }
}

export function number(name: string): Column {
  return { name, holds: 'number', isEmpty: false }
}

function datesBetween(first: string, last: string): string[] {
  const dates: string[] = []
  for (let ms = Date.parse(first); ms <= Date.parse(last); ms += MS_PER_DAY) dates.push(new Date(ms).toISOString().slice(0, 10))
  return dates
}
const MS_PER_DAY = 86_400_000
