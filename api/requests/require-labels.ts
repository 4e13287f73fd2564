import type { MeasuredMetric } from '../../metering/metrics.ts'
import { didYouMean } from '../../metering/nearest-name.ts'
import type { RegistryReads } from '../../registry/changes.ts'
import { readMetrics } from '../../registry/metrics/metrics.ts'
import { ApiError } from '../errors/errors.ts'

export interface RequestedLabels {
  readonly keys: readonly string[]
  /** The metrics that have all of these labels. */
  readonly metrics: readonly MeasuredMetric[]
}

/** The labels that `group_by` names. Throws ApiError if no metric has all of them. */
export async function requireLabels(registry: RegistryReads, groupBy: string): Promise<RequestedLabels> {
  const keys = [...new Set(groupBy.split(','))]
  const all = await readMetrics(registry)
  const metrics = all.filter(({ labels }) => keys.every((key) => labels.includes(key)))
  if (metrics.length > 0) return { keys, metrics }
  const declared = [...new Set(all.flatMap(({ labels }) => labels))].sort()
  const unknown = keys.find((key) => !declared.includes(key))
  const problem =
    unknown === undefined ? `no metric has all of the labels ${keys.join(', ')}.` : `no metric has the label "${unknown}".${didYouMean(unknown, declared)}`
  throw new ApiError('INVALID_REQUEST', `query.group_by: ${problem} GET …/metrics lists the labels of each metric.`)
}
