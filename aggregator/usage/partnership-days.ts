import { z } from 'zod'
import { METRIC_NAMES, type MetricName, PEAK_METRICS } from '../../metering/metrics.ts'
import type { Period } from '../../metering/period.ts'
import type { Quantity } from '../../metering/quantity.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'

/** A partner's day in one metric: the sum over its projects, deleted ones included, of the project's day. */
export interface PartnershipDay {
  /** YYYY-MM-DD. */
  readonly day: string
  readonly metric: MetricName
  readonly value: Quantity
  readonly events: number
}

/**
 * A partner's days of a period that have events. A day is taken from the kept rows only while nothing of it was stored since
 * they were computed, and no project registered since has usage on it; any other is computed from the project rollup here.
 * 1. Note which kept days are right, at which number of changes.
 * 2. Read the kept rows: those of that number, or a later one, are there by now.
 * In the other order a day that is computed anew in between would have no row. Throws StoreError.
 */
export async function readPartnershipDays(clickhouse: ClickHouse, partnerId: string, period: Period): Promise<PartnershipDay[]> {
  const span = { partnerId, from: period.first, end: period.end }
  const states = await clickhouse.reads.query(partnershipDayStates, span)
  const keptChanges = new Map(states.filter(({ right }) => right === 1).map((state) => [state.usage_date, state.changes]))
  const changed = states.filter(({ right }) => right === 0).map((state) => state.usage_date)
  const kept = keptChanges.size === 0 ? [] : await clickhouse.reads.query(keptPartnershipDays, span)
  const computed = changed.length === 0 ? [] : await clickhouse.reads.query(computedPartnershipDays, { partnerId, days: changed, peaks: PEAK_METRICS })
  // A row of fewer changes is of a key that the rollup has no more: a month was rebuilt.
  const standing = kept.filter((row) => row.changes >= (keptChanges.get(row.usage_date) ?? Number.POSITIVE_INFINITY))
  return [...standing, ...computed]
    .map(({ usage_date, metric, value, events }) => ({ day: usage_date, metric, value, events }))
    .sort((a, b) => (a.day < b.day ? -1 : a.day > b.day ? 1 : 0))
}

const Span = z.object({ partnerId: z.string(), from: z.string(), end: z.string() })

/**
 * Before the first refresh has ended nothing is known to be whole, and every project is "registered since". In doubt are the
 * days of a project registered since, and those of a month whose rebuild has begun and not ended. A day without a row here has
 * no events.
 */
const partnershipDayStates = defineQuery({
  name: 'partnership_day_states',
  sql: `
    WITH (SELECT max(through) FROM partnership_projects_kept_v1) AS kept_through
    SELECT usage_date, sum(stored) AS changes, changes = max(kept) AND max(in_doubt) = 0 AS right
    FROM (
      SELECT usage_date, sum(changes) AS stored, toUInt64(0) AS kept, 0 AS in_doubt
      FROM usage_day_changes_v1 WHERE usage_date >= {from: Date} AND usage_date < {end: Date} GROUP BY usage_date
      UNION ALL
      SELECT usage_date, toUInt64(0), max(changes), 0
      FROM partnership_days_kept_v1 WHERE usage_date >= {from: Date} AND usage_date < {end: Date} GROUP BY usage_date
      UNION ALL
      SELECT DISTINCT usage_date, toUInt64(0), toUInt64(0), 1
      FROM project_usage_per_day_v1
      WHERE project_id IN (SELECT project_id FROM projects_v1 WHERE partner_id = {partnerId: String} AND created_at > kept_through)
        AND usage_date >= {from: Date} AND usage_date < {end: Date}
      UNION ALL
      SELECT DISTINCT usage_date, toUInt64(0), toUInt64(0), 1
      FROM usage_day_changes_v1
      WHERE formatDateTime(usage_date, '%Y-%m') IN (SELECT month FROM rollup_rebuilds_v1 GROUP BY month HAVING max(begun) > max(ended))
        AND usage_date >= {from: Date} AND usage_date < {end: Date}
    )
    GROUP BY usage_date`,
  params: Span,
  row: z.object({ usage_date: z.string(), changes: z.coerce.number(), right: z.number() }),
})

const DayRow = z.object({ usage_date: z.string(), metric: z.enum(METRIC_NAMES), value: z.string(), events: z.coerce.number() })

const keptPartnershipDays = defineQuery({
  name: 'kept_partnership_days',
  sql: `SELECT usage_date, metric, max(newest) AS row, row.changes AS changes, row.value AS value, row.events AS events
        FROM partnership_usage_per_day_v1
        WHERE partner_id = {partnerId: String} AND usage_date >= {from: Date} AND usage_date < {end: Date}
        GROUP BY usage_date, metric`,
  params: Span,
  row: DayRow.extend({ changes: z.coerce.number() }),
})

const computedPartnershipDays = defineQuery({
  name: 'computed_partnership_days',
  sql: `
    SELECT usage_date, metric, sum(project_value) AS value, sum(project_events) AS events
    FROM (
      SELECT project_id, usage_date, metric, sum(events) AS project_events,
        if(metric IN {peaks: Array(String)}, toDecimal256(max(peak), 9), sum(total)) AS project_value
      FROM project_usage_per_day_v1
      WHERE project_id IN (SELECT project_id FROM projects_v1 WHERE partner_id = {partnerId: String}) AND usage_date IN {days: Array(Date)}
      GROUP BY project_id, usage_date, metric
    )
    GROUP BY usage_date, metric`,
  params: z.object({ partnerId: z.string(), days: z.array(z.string()), peaks: z.array(z.string()) }),
  row: DayRow,
})
