import { dailyName, partnershipName, projectSummaryName } from '../../contract/fields.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import type { LIST_PARTNER_PROJECTS } from '../../contract/partner-projects.ts'
import type { GET_PARTNERSHIP_USAGE, GET_PROJECT_USAGE } from '../../contract/usage.ts'
import { METRIC_NAMES, METRICS, type MetricName } from '../../metering/metrics.ts'
import { sparkline } from './sparkline.ts'

/** Usage of a project or a partnership, under one name for each metric. Quantities are texts with all their digits. */
export interface Figures {
  readonly subject: string
  readonly period: { readonly start: string; readonly end: string }
  readonly as_of: string | null
  readonly billing_status: string
  readonly days: readonly { readonly day: string; readonly values: Readonly<Record<MetricName, string>> }[]
  readonly totals?: Readonly<Record<MetricName, string>>
  /** The day of each peak, where it was reached. */
  readonly peakDays?: Readonly<Partial<Record<MetricName, string>>>
}

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

export function figuresOfPartnership({ partnership, summary, daily_usage = [], peak_days, ...rest }: AnswerOf<typeof GET_PARTNERSHIP_USAGE>): Figures {
  const peakDays = Object.fromEntries(
    METRIC_NAMES.map((metric) => [metric, (peak_days as Record<string, string | null> | undefined)?.[partnershipName(metric)] ?? undefined]),
  )
  return {
    ...rest,
    subject: partnership.name,
    totals: valuesOf(summary, partnershipName),
    days: daily_usage.map((each) => ({ day: each.usage_date, values: valuesOf(each, partnershipName) })),
    peakDays: peakDays as Partial<Record<MetricName, string>>,
  }
}

export function figuresOfProject({ project, summary, daily_usage, ...rest }: AnswerOf<typeof GET_PROJECT_USAGE>): Figures {
  const totals = valuesOf(summary, projectSummaryName)
  const days = daily_usage.map((each) => ({ day: each.usage_date, values: valuesOf(each, dailyName) }))
  // A project's peak is its greatest day, and the first one on ties.
  const peaks = METRIC_NAMES.filter((metric) => METRICS[metric].kind === 'peak' && totals[metric] !== '0')
  const peakDays = Object.fromEntries(peaks.map((metric) => [metric, days.find(({ values }) => values[metric] === totals[metric])?.day]))
  const subject = project.status === 'active' ? project.name : `${project.name} (${project.status})`
  return { ...rest, subject, totals, days, peakDays: peakDays as Partial<Record<MetricName, string>> }
}

/** A row for each metric, with how it adds up and a line of its days. */
export function byMetric({ totals, days, peakDays, period }: Figures): Sheet {
  const dates = datesBetween(period.start.slice(0, 10), period.end.slice(0, 10))
  const chart = (metric: MetricName) => sparkline(dates.map((date) => Number(days.find(({ day }) => day === date)?.values[metric] ?? 0)))
  return {
    columns: [text('metric'), text('adds up as'), text('unit'), number('usage'), text('peak day'), { ...text('days'), holds: 'chart' }],
    rows: METRIC_NAMES.map((metric) => {
      const { kind, unit } = METRICS[metric]
      return { cells: [metric, kind === 'peak' ? 'peak' : 'sum', unit, totals?.[metric] ?? '0', peakDays?.[metric] ?? '', chart(metric)] }
    }),
  }
}

/** A row for each day with usage. */
export function byDay({ days, peakDays }: Figures): Sheet {
  return {
    columns: [text('day'), ...metricColumns(days)],
    rows: days.map(({ day, values }) => ({
      cells: [day, ...METRIC_NAMES.map((metric) => values[metric])],
      peaks: METRIC_NAMES.filter((metric) => peakDays?.[metric] === day),
    })),
  }
}

/** A row for each project; a deleted one has the day of its deletion. */
export function byProject(projects: AnswerOf<typeof LIST_PARTNER_PROJECTS>['projects']): Sheet {
  const all = projects.map((each) => ({ ...each, values: valuesOf(each.summary, projectSummaryName) }))
  return {
    columns: [text('project'), { ...text('name'), isFlexible: true }, text('status'), text('deleted'), ...metricColumns(all)],
    rows: all.map(({ id, name, status, deleted_at, values }) => ({
      cells: [id, name, status, deleted_at?.slice(0, 10) ?? '', ...METRIC_NAMES.map((metric) => values[metric])],
    })),
  }
}

function valuesOf(quantities: object, nameOf: (metric: MetricName) => string): Record<MetricName, string> {
  const values = quantities as Record<string, { readonly text: string }>
  return Object.fromEntries(METRIC_NAMES.map((metric) => [metric, values[nameOf(metric)]?.text ?? '0'])) as Record<MetricName, string>
}

function metricColumns(rows: readonly { readonly values: Readonly<Record<MetricName, string>> }[]): Column[] {
  return METRIC_NAMES.map((metric) => ({ ...number(metric), isEmpty: rows.every(({ values }) => values[metric] === '0') }))
}

function text(name: string): Column {
  return { name, holds: 'text', isEmpty: false }
}

function number(name: string): Column {
  return { name, holds: 'number', isEmpty: false }
}

function datesBetween(first: string, last: string): string[] {
  const dates: string[] = []
  for (let ms = Date.parse(first); ms <= Date.parse(last); ms += MS_PER_DAY) dates.push(new Date(ms).toISOString().slice(0, 10))
  return dates
}
const MS_PER_DAY = 86_400_000
