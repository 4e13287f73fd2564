import { dailyName, partnershipName, projectSummaryName } from '../../contract/fields.ts'
import { parseExactJson } from '../../metering/exact-json.ts'
import { ruleOf } from '../../metering/metric-rules.ts'
import { isMetricName, METRIC_NAMES, METRICS, type MeasuredMetric, type MetricName } from '../../metering/metrics.ts'
import { NumberToken } from '../../metering/quantity.ts'

/** What every tool answers. Numbers are texts with all their digits: a model must not round a bill. */
export interface ToolAnswer {
  /** The days that the figures are of, both inclusive; null where there are none. */
  readonly period: { readonly start: string; readonly end: string } | null
  /** The figures are complete up to this time; null if they are not known to be. */
  readonly as_of: string | null
  /** `provisional` or `final` of usage, `open` or `closed` of a statement. */
  readonly status: string
  readonly metrics: readonly MetricOfAnswer[]
  /** The rest of what the service answered. */
  readonly result: Readonly<Record<string, unknown>>
}

/** A metric under the name that it has in this answer. */
export interface MetricOfAnswer {
  readonly name: string
  readonly kind: string
  readonly unit: string
  readonly how_it_adds_up: string
}

type Body = Readonly<Record<string, unknown>>

/** The answer of a usage route, which has the period, `as_of` and the status itself. */
export function usageAnswer(text: string, metrics: readonly MetricOfAnswer[]): ToolAnswer {
  const { period, as_of, billing_status, ...result } = readTexts(text)
  return { period: period as ToolAnswer['period'], as_of: as_of as string | null, status: String(billing_status), metrics, result }
}

/** The same with the metrics that operators have defined, as far as they have usage in the answer: they are under `metrics` there. */
export function usageOfMetrics(of: 'project' | 'partnership', text: string): ToolAnswer {
  const answer = usageAnswer(text, of === 'project' ? METRICS_OF_PROJECT : METRICS_OF_PARTNERSHIP)
  const defined = Object.entries((answer.result['metrics'] ?? {}) as Record<string, DefinedMetric>)
  return { ...answer, metrics: [...answer.metrics, ...defined.map(([metric, { kind, unit }]) => describe(of, { metric, kind, unit }, `metrics.${metric}`))] }
}

/** The metrics of a statement: the documented ones, and others that are among its totals. */
export function metricsOfStatement(totals: readonly (DefinedMetric & { readonly metric: string })[]): MetricOfAnswer[] {
  const others = totals.filter(({ metric }) => !isMetricName(metric))
  return [...METRICS_OF_STATEMENT, ...others.map((total) => describe('partnership', total, total.metric))]
}

type DefinedMetric = Pick<MeasuredMetric, 'kind' | 'unit'>

/** The body of an answer, in which every number is the text that the service wrote. */
export function readTexts(text: string): Body {
  return numbersAsText(parseExactJson(text)) as Body
}

const METRICS_OF_PARTNERSHIP = METRIC_NAMES.map((metric) => describeMetric('partnership', metric, partnershipName(metric)))
const METRICS_OF_PROJECT = METRIC_NAMES.map((metric) => describeMetric('project', metric, projectSummaryName(metric)))
/** On a statement a metric has the name that events use. */
export const METRICS_OF_STATEMENT = METRIC_NAMES.map((metric) => describeMetric('partnership', metric, dailyName(metric)))

function describeMetric(of: 'project' | 'partnership', metric: MetricName, name: string): MetricOfAnswer {
  return describe(of, { metric, ...METRICS[metric] }, name)
}

function describe(of: 'project' | 'partnership', { metric, kind, unit }: MeasuredMetric, name: string): MetricOfAnswer {
  return { name, kind, unit, how_it_adds_up: ruleOf(of, { metric, kind }) }
}

function numbersAsText(value: unknown): unknown {
  if (value instanceof NumberToken) return value.text
  if (Array.isArray(value)) return value.map(numbersAsText)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, numbersAsText(inner)]))
}
