import { isKindOfStates, METRIC_NAMES, METRICS, type MeasuredMetric } from '../../../metering/metrics.ts'
import type { MeterlineClient, TestEvent } from '../clients/client.ts'

/** Metrics that random worlds define beside the documented ones: one of each kind. */
export const DEFINED_METRICS = [
  { metric: 'seats', kind: 'peak', unit: 'seat' },
  { metric: 'images', kind: 'cumulative', unit: 'image' },
  { metric: 'visits', kind: 'count', unit: 'visit' },
  { metric: 'level', kind: 'last', unit: 'meter' },
  { metric: 'users', kind: 'unique', unit: 'user' },
] as const satisfies readonly MeasuredMetric[]

const KINDS = new Map<string, MeasuredMetric['kind']>([
  ...METRIC_NAMES.map((metric) => [metric, METRICS[metric].kind] as const),
  ...DEFINED_METRICS.map(({ metric, kind }) => [metric, kind] as const),
])

export function kindOfTested(metric: string): MeasuredMetric['kind'] {
  const kind = KINDS.get(metric)
  if (kind === undefined) throw new Error(`The test uses the metric ${metric}, which is not defined.`)
  return kind
}

export async function defineTestedMetrics(client: MeterlineClient): Promise<void> {
  for (const { metric, ...definition } of DEFINED_METRICS) {
    const { status, text } = await client.admin('PUT', `/admin/v1/metrics/${metric}`, { ...definition, description: 'Of a random world.' })
    if (status !== 200) throw new Error(text)
  }
}

/** The metrics that have labels in random worlds, of each kind that may have them, documented ones among them. */
export const LABELLED_METRICS: readonly string[] = [
  'ai_tokens',
  'database_size_bytes',
  ...DEFINED_METRICS.filter(({ kind }) => !isKindOfStates(kind)).map(({ metric }) => metric),
]
export const TESTED_LABELS = ['model', 'region'] as const

/** Declares labels of metrics that are defined. */
export async function labelMetrics(client: MeterlineClient, names: readonly string[], labels: readonly string[]): Promise<void> {
  const { metrics } = (await client.admin('GET', '/admin/v1/metrics')).body
  for (const { name, kind, unit, description, display } of metrics.filter((each: { name: string }) => names.includes(each.name))) {
    const body = { kind, unit, description, ...(display === name ? {} : { display }), labels }
    const { status, text } = await client.admin('PUT', `/admin/v1/metrics/${name}`, body)
    if (status !== 200) throw new Error(text)
  }
}

/** The same event as its metric allows it: one that counts events has no other value than 1, and one that counts texts has few of them. */
export function withValueOfKind(event: TestEvent): TestEvent {
  const kind = kindOfTested(event.metric)
  if (kind === 'unique') return { ...event, value: TEXTS[String(event.value).length % TEXTS.length] ?? '' }
  return kind === 'count' ? { ...event, value: '1' } : event
}

const TEXTS = ['7', '7.0', 'ann', 'Ann', " 'ann' ", 'a\\tb', '名']

/** Whether an event of the metric can be amended. */
export function isAmendable(metric: string): boolean {
  return !['count', 'unique'].includes(kindOfTested(metric))
}
