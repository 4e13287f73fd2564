import type { LIST_METRICS, LIST_OWN_METRICS } from '../../contract/metrics.ts'
import { METRIC_NAMES, METRICS, type MeasuredMetric } from '../../metering/metrics.ts'
import type { Subject } from '../address/subject.ts'
import { type CallFailed, call } from '../calls/call.ts'
import { useAnswer } from '../calls/use-answer.ts'
import { METRIC_TITLES } from '../numbers/metric-titles.ts'
import { caller } from '../session/session.ts'

export interface TitledMetric extends MeasuredMetric {
  readonly title: string
}

export interface LoadedMetrics {
  /** The documented metrics, and those that operators have defined as soon as they are read. */
  readonly metrics: readonly TitledMetric[]
  readonly isLoading: boolean
  /** Why the metrics that operators have defined are missing. */
  readonly failure: CallFailed | undefined
}

/** All metrics that can be chosen. */
export function useMetrics(subject: Pick<Subject, 'partnerId' | 'asAdmin'>): LoadedMetrics {
  const defined = useAnswer(`metrics ${subject.asAdmin ? '' : subject.partnerId}`, (signal) => readDefined(subject, signal))
  const metrics = defined.state === 'ready' ? [...DOCUMENTED, ...defined.value] : DOCUMENTED
  return { metrics, isLoading: defined.state === 'loading', failure: defined.state === 'failed' ? defined.failure : undefined }
}

/** The one that is chosen by its name. */
export function metricNamed({ metrics }: LoadedMetrics, name: string): TitledMetric | undefined {
  return metrics.find(({ metric }) => metric === name)
}

const DOCUMENTED: readonly TitledMetric[] = METRIC_NAMES.map((metric) => ({
  metric,
  kind: METRICS[metric].kind,
  unit: METRICS[metric].unit,
  title: METRIC_TITLES[metric],
}))

async function readDefined({ partnerId, asAdmin }: Pick<Subject, 'partnerId' | 'asAdmin'>, signal: AbortSignal): Promise<TitledMetric[]> {
  const { metrics } = asAdmin
    ? await call<typeof LIST_METRICS>(caller(signal), { method: 'GET', path: '/admin/v1/metrics' })
    : await call<typeof LIST_OWN_METRICS>(caller(signal), { method: 'GET', path: '/partnership/v1/:partnerId/metrics', params: { partnerId } })
  return metrics.filter(({ documented }) => !documented).map(({ name, kind, unit, display }) => ({ metric: name, kind, unit, title: display }))
}
