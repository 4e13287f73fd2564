import { z } from 'zod'
import type { PartnershipDay } from '../../../aggregator/usage/partnership-days.ts'
import { addDecimals } from '../../../metering/exact-decimal.ts'
import { METRIC_NAMES, METRICS } from '../../../metering/metrics.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { defineQuery } from '../../../sql/query.ts'

/** A partner's days, computed here from the rows of the rollup and the registry, without any materialized row. */
export async function plainPartnershipDays({ registry }: ClickHouse, partnerId: string): Promise<PartnershipDay[]> {
  const own = new Set((await registry.query(projectsOfPartner, { partnerId })).map(({ project_id }) => project_id))
  const days = new Map<string, PartnershipDay>()
  for (const { project_id, usage_date: day, metric, peak, total, events } of await registry.query(allProjectDays, {})) {
    if (!own.has(project_id)) continue
    const key = JSON.stringify([day, metric])
    const before = days.get(key) ?? { value: '0', events: 0 }
    const value = addDecimals(before.value, METRICS[metric].kind === 'peak' ? peak : total)
    const { kind, unit } = METRICS[metric]
    days.set(key, { day, metric, kind, unit, value, events: before.events + events })
  }
  return sortDays([...days.values()])
}

export function sortDays(days: readonly PartnershipDay[]): PartnershipDay[] {
  return [...days].sort((a, b) => `${a.day} ${a.metric}`.localeCompare(`${b.day} ${b.metric}`))
}

const projectsOfPartner = defineQuery({
  name: 'test_projects_of_partner',
  sql: 'SELECT DISTINCT project_id FROM projects_v1 WHERE partner_id = {partnerId: String}',
  params: z.object({ partnerId: z.string() }),
  row: z.object({ project_id: z.string() }),
})

const allProjectDays = defineQuery({
  name: 'test_all_project_days',
  sql: `SELECT project_id, usage_date, metric, max(peak) AS peak, sum(total) AS total, sum(events) AS events
        FROM project_usage_per_day_v1 GROUP BY project_id, usage_date, metric`,
  params: z.object({}),
  row: z.object({
    project_id: z.string(),
    usage_date: z.string(),
    metric: z.enum(METRIC_NAMES),
    peak: z.string(),
    total: z.string(),
    events: z.coerce.number(),
  }),
})
