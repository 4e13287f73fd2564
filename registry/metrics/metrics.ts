import { z } from 'zod'
import { isMetricName, METRIC_KINDS, METRICS, type MeasuredMetric } from '../../metering/metrics.ts'
import { defineQuery } from '../../sql/query.ts'
import type { RegistryReads } from '../changes.ts'

/** A metric of the catalogue. */
export interface DefinedMetric extends MeasuredMetric {
  readonly revision: number
  readonly description: string
  /** The name for people; empty: the same as `metric`. */
  readonly display: string
  /** The keys of its labels, sorted; empty without labels. */
  readonly labels: readonly string[]
  readonly createdMs: number
}

/** The whole catalogue, by name; the documented metrics are part of it. Throws StoreError. */
export function readMetrics({ clickhouse }: RegistryReads): Promise<DefinedMetric[]> {
  return clickhouse.registry.query(allMetrics, {})
}

/** Kind and unit of a metric; undefined if it is not defined. Throws StoreError. */
export async function findMetric(registry: RegistryReads, metric: string): Promise<MeasuredMetric | undefined> {
  if (isMetricName(metric)) return { metric, kind: METRICS[metric].kind, unit: METRICS[metric].unit }
  return (await readMetrics(registry)).find((each) => each.metric === metric)
}

const allMetrics = defineQuery({
  name: 'all_metrics',
  sql: `SELECT metric, revision, kind, unit, description, display, labels, toUnixTimestamp64Milli(created_at) AS createdMs
        FROM metrics_v1 FINAL ORDER BY metric`,
  params: z.object({}),
  row: z.object({
    metric: z.string(),
    revision: z.coerce.number(),
    kind: z.enum(METRIC_KINDS),
    unit: z.string(),
    description: z.string(),
    display: z.string(),
    labels: z.array(z.string()),
    createdMs: z.coerce.number(),
  }),
})
