import { choiceProblem } from '../../contract/choice.ts'
import { isMetricName, METRIC_NAMES, type MeasuredMetric } from '../../metering/metrics.ts'
import type { RegistryReads } from '../../registry/changes.ts'
import { findMetric, readMetrics } from '../../registry/metrics/metrics.ts'
import { ApiError } from '../errors/errors.ts'

/** The metric that a field names, such as `body.metric`. Throws ApiError when it is not defined. */
export async function requireMetric(registry: RegistryReads, field: string, name: string): Promise<MeasuredMetric> {
  const metric = await findMetric(registry, name)
  if (metric !== undefined) return metric
  const defined = (await readMetrics(registry)).map((each) => each.metric).filter((each) => !isMetricName(each))
  throw new ApiError('INVALID_REQUEST', `${field}: ${choiceProblem(name, [...METRIC_NAMES, ...defined])}`)
}
