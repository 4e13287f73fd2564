import { z } from 'zod'
import { CUMULATIVE_METRICS, PEAK_METRICS } from '../metering/metrics.ts'
import type { Period } from '../metering/period.ts'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { defineQuery } from '../sql/query.ts'
import { readAsOf } from './as-of.ts'
import { MetricTotals, quantitiesOf, type UsageQuantities } from './usage-quantities.ts'

export interface PartnershipUsage {
  readonly asOfMs: number | null
  readonly summary: UsageQuantities
}

/**
 * The usage of all projects of a partner, deleted ones included. A peak is the sum over the projects per day, then the
 * maximum over the days; not the sum of each project's own maximum, which no day ever reached. Throws StoreError.
 */
export async function readPartnershipUsage(clickhouse: ClickHouse, partnerId: string, period: Period): Promise<PartnershipUsage> {
  const asOfMs = await readAsOf(clickhouse)
  const rows = await clickhouse.reads.query(partnershipUsage, {
    partnerId,
    from: period.first,
    end: period.end,
    peaks: PEAK_METRICS,
    cumulatives: CUMULATIVE_METRICS,
  })
  return { asOfMs, summary: quantitiesOf(rows) }
}

/** Only peaks need a pass per project and day; a sum is the sum of all rows, whatever they belong to. */
const partnershipUsage = defineQuery({
  name: 'partnership_usage',
  sql: `
    WITH partner_projects AS (SELECT project_id FROM projects_v1 FINAL WHERE partner_id = {partnerId: String})
    SELECT metric, max(day_peak) AS peak, toDecimal256(0, 9) AS total
    FROM (
      SELECT usage_date, metric, sum(toDecimal256(project_peak, 9)) AS day_peak
      FROM (
        SELECT project_id, usage_date, metric, max(peak) AS project_peak
        FROM project_usage_per_day_v1
        WHERE project_id IN partner_projects AND usage_date >= {from: Date} AND usage_date < {end: Date} AND metric IN {peaks: Array(String)}
        GROUP BY project_id, usage_date, metric
      )
      GROUP BY usage_date, metric
    )
    GROUP BY metric
    UNION ALL
    SELECT metric, toDecimal256(0, 9) AS peak, sum(total) AS total
    FROM project_usage_per_day_v1
    WHERE project_id IN partner_projects AND usage_date >= {from: Date} AND usage_date < {end: Date} AND metric IN {cumulatives: Array(String)}
    GROUP BY metric`,
  params: z.object({ partnerId: z.string(), from: z.string(), end: z.string(), peaks: z.array(z.string()), cumulatives: z.array(z.string()) }),
  row: MetricTotals,
})
