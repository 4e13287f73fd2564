import { z } from 'zod'
import { isMetricName, METRIC_KINDS, METRICS, type MeasuredMetric } from '../../metering/metrics.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { readUnlessWritten } from '../../sql/read-by-key.ts'

/**
 * Adds kind and unit to the rows of a query. Only where there are rows of metrics that operators have defined, the catalogue is read, and
 * after the rows: events had counted under these metrics by then, so their kinds are final. Rows of a metric that is not in the
 * catalogue are left out (known-metrics.ts). Throws StoreError.
 */
export async function withKinds<R extends { readonly metric: string }>(reads: Pick<Lane, 'query'>, rows: readonly R[]): Promise<(R & MeasuredMetric)[]> {
  const names = new Set(rows.map(({ metric }) => metric).filter((metric) => !isMetricName(metric)))
  const defined = names.size === 0 ? [] : await readUnlessWritten(reads, kindsOfMetrics, { names: [...names].sort() })
  const byName = new Map(defined.map((each) => [each.metric, each]))
  return rows.flatMap((row) => {
    const known = isMetricName(row.metric) ? METRICS[row.metric] : byName.get(row.metric)
    return known === undefined ? [] : [{ ...row, kind: known.kind, unit: known.unit }]
  })
}

const kindsOfMetrics = defineQuery({
  name: 'kinds_of_metrics',
  sql: 'SELECT metric, kind, unit FROM metrics_v1 FINAL WHERE metric IN {names: Array(String)}',
  params: z.object({ names: z.array(z.string()) }),
  row: z.object({ metric: z.string(), kind: z.enum(METRIC_KINDS), unit: z.string() }),
})
