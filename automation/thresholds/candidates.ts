import { z } from 'zod'
import { perSource, readSource } from '../../aggregator/usage/effective-usage.ts'
import { PEAK_METRIC } from '../../aggregator/usage/known-metrics.ts'
import { PROJECT_VALUE_FROM_ROLLUP } from '../../aggregator/usage/peak-or-sum.ts'
import { PROJECT_OWNERS } from '../../aggregator/usage/projects-of-partner.ts'
import { type Month, periodOfMonth } from '../../metering/month.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { METRIC_OF_STATES } from '../../sql/usage-states.ts'

/** A threshold with a level whose state differs from what the usage of a month says. */
export type Candidate = z.output<typeof CandidateRow>

/**
 * The active thresholds with such a level, closed months included: one query, computed by ClickHouse, because nearly always there is
 * none of them, and the usage of all of them would have to be read to see that. What it finds is decided again under the lease
 * (evaluate-thresholds.ts), with the usage that the message contains. Throws StoreError.
 */
export async function findCandidates({ work }: ClickHouse, month: Month): Promise<Candidate[]> {
  const { first: from, end } = periodOfMonth(month)
  const source = await readSource(work, { from, end })
  return work.query(thresholdCandidates[source], { month, from, end })
}

/** A row with fewer changes than its day is of a key that the rollup has lost: usage/partnership-days.ts. */
const MATERIALIZED_PARTNER_DAYS = `
          SELECT partner_id, metric, usage_date, row.value AS value
          FROM (
            SELECT partner_id, usage_date, metric, max(newest) AS row FROM partnership_usage_per_day_v1
            WHERE usage_date >= {from: Date} AND usage_date < {end: Date}
            GROUP BY partner_id, usage_date, metric
          ) AS materialized
          INNER JOIN (SELECT usage_date, kept FROM usage_days_v1 WHERE usage_date >= {from: Date} AND usage_date < {end: Date}) AS days
            USING usage_date
          WHERE row.changes >= days.kept`

const OF_PARTNERS = `SELECT project_id FROM projects_v1 WHERE partner_id IN (SELECT partner_id FROM active WHERE project_id = '')`

const CandidateRow = z.object({ id: z.string(), partnerId: z.string(), createdMs: z.coerce.number() })

/** Both sides of the comparison are a hundredfold, so that a percentage of a budget is exact. */
const thresholdCandidates = perSource((source) =>
  defineQuery({
    name: 'threshold_candidates',
    sql: `
    WITH
      active AS (
        SELECT threshold_id, partner_id, project_id, metric, levels, budget, created_at FROM thresholds_v1 FINAL
        WHERE removed_at IS NULL AND is_active = 1 AND formatDateTime(created_at, '%Y-%m') <= {month: String}
      ),
      used AS (
        SELECT partner_id, '' AS project_id, metric, if(${PEAK_METRIC}, max(value), sum(value)) AS month_value
        FROM (
          ${MATERIALIZED_PARTNER_DAYS}
            AND partner_id IN (SELECT partner_id FROM active WHERE project_id = '') AND metric IN (SELECT metric FROM active WHERE project_id = '')
            AND NOT (${METRIC_OF_STATES})
        )
        GROUP BY partner_id, metric
        UNION ALL
        SELECT partner_id, '' AS project_id, metric, sum(total) AS month_value
        FROM (
          SELECT project_id, metric, total
          FROM ${source(`usage_date >= {from: Date} AND usage_date < {end: Date} AND project_id IN (${OF_PARTNERS})
            AND metric IN (SELECT metric FROM active WHERE project_id = '') AND ${METRIC_OF_STATES}`)}
        ) AS states
        INNER JOIN (${PROJECT_OWNERS}) AS owners USING project_id
        GROUP BY partner_id, metric
        UNION ALL
        SELECT '' AS partner_id, project_id, metric, ${PROJECT_VALUE_FROM_ROLLUP} AS month_value
        FROM ${source(`usage_date >= {from: Date} AND usage_date < {end: Date}
          AND project_id IN (SELECT project_id FROM active WHERE project_id != '') AND metric IN (SELECT metric FROM active WHERE project_id != '')`)}
        GROUP BY project_id, metric
      ),
      transitions AS (
        SELECT subject, part, max((number, toString(state))).2 AS last_state FROM webhook_messages_v1
        WHERE subject != '' AND month = {month: String} GROUP BY subject, part
      )
    SELECT DISTINCT threshold_id AS id, levels_of.partner_id AS partnerId, toUnixTimestamp64Milli(created_at) AS createdMs
    FROM (
      SELECT threshold_id, partner_id, project_id, metric, budget, created_at, if(project_id = '', partner_id, '') AS used_by,
        arrayJoin(JSONExtract(levels, 'Array(Tuple(name String, value String, percent_of_budget UInt64))')) AS level
      FROM active
    ) AS levels_of
    LEFT JOIN used ON used.partner_id = levels_of.used_by AND used.project_id = levels_of.project_id AND used.metric = levels_of.metric
    LEFT JOIN transitions ON transitions.subject = levels_of.threshold_id AND transitions.part = level.name
    WHERE (
        month_value * 100
        >= if(level.value = '', toDecimal256(if(budget = '', '0', budget), 9) * level.percent_of_budget, toDecimal256(if(level.value = '', '0', level.value), 9) * 100)
      ) != (last_state = 'alarm')`,
    params: z.object({ month: z.string(), from: z.string(), end: z.string() }),
    row: CandidateRow,
  }),
)
