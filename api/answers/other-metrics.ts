import type { OtherMetrics } from '../../aggregator/usage/usage-quantities.ts'
import type { MetricKind } from '../../metering/metrics.ts'
import { NumberToken } from '../../metering/quantity.ts'

/** The usage of metrics that operators have defined. Nothing where there is none, so that answers without such metrics stay as they are. */
export function othersAnswer(others: OtherMetrics): { metrics?: Record<string, { value: NumberToken; kind: MetricKind; unit: string; union?: NumberToken }> } {
  if (others.size === 0) return {}
  return {
    metrics: Object.fromEntries(
      [...others].map(([name, { value, kind, unit, union }]) => [
        name,
        { value: new NumberToken(value), kind, unit, ...(union !== undefined && { union: new NumberToken(union) }) },
      ]),
    ),
  }
}
