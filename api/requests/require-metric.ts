import { choiceProblem } from '../../contract/choice.ts'
import { isMetricName, METRIC_NAMES, type MeasuredMetric } from '../../metering/metrics.ts'
import type { RegistryReads } from '../../registry/changes.ts'
import { findMetric, readMetrics } from '../../registry/metrics/metrics.ts'
import { ApiError } from '../errors/errors.ts'

/** The metric that a field names, such as `body.metric`. Throws ApiError when it is not defined: it does not list up to 1,000 names. */
export async function requireMetric(registry: RegistryReads, field: string, name: string): Promise<MeasuredMetric> {
  const metric = await findMetric(registry, name)
  if (metric !== undefined) return metric
  const defined = (await readMetrics(registry)).map((each) => each.metric).filter((each) => !isMetricName(each))
  const problem = choiceProblem(name, [...METRIC_NAMES, ...defined], `${METRIC_NAMES.join(', ')}, or another metric of GET …/metrics`)
  throw new ApiError('INVALID_REQUEST', `${field}: ${problem}`)
}
