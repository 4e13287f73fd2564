import type { ClickHouse } from '../../../sql/clickhouse.ts'

/** One (project, day, metric) of the http log. */
export interface RollupKey {
  readonly project: string
  readonly day: string
  readonly metric: string
}

/** Deletes the rows of a key from the rollup, as if a crash had lost a part of a batch and no owner had reconciled it. */
export async function deleteFromRollup({ control }: ClickHouse, { project, day, metric }: RollupKey): Promise<void> {
  await control.command(
    `ALTER TABLE project_usage_per_day_v1 DELETE WHERE project_id = '${project}' AND usage_date = '${day}' AND metric = '${metric}' SETTINGS mutations_sync = 2`,
  )
}

/** Moves the usage of a set of labels to another one: the total stays the same. */
export async function moveToOtherLabels({ control }: ClickHouse, { project, day, metric }: RollupKey, labels: { from: string; to: string }): Promise<void> {
  const where = `project_id = '${project}' AND usage_date = '${day}' AND metric = '${metric}' AND labels = '${labels.from}'`
  const columns = ['project_id', 'usage_date', 'metric', 'log', 'peak', 'total', 'events', 'last_event_at'].join(', ')
  await control.command(
    `INSERT INTO project_usage_per_day_v1 (${columns}, labels) SETTINGS async_insert = 0 SELECT ${columns}, '${labels.to}' FROM project_usage_per_day_v1 WHERE ${where}`,
  )
  await control.command(`ALTER TABLE project_usage_per_day_v1 DELETE WHERE ${where} SETTINGS mutations_sync = 2`)
}

/** Adds an extra sample to the rollup, so that it has more than raw. */
export async function addToRollup({ control }: ClickHouse, { project, day, metric }: RollupKey, value: number): Promise<void> {
  await control.command(
    `INSERT INTO project_usage_per_day_v1 (project_id, usage_date, metric, log, peak, total, events, last_event_at) SETTINGS async_insert = 0
     SELECT '${project}', toDate('${day}'), '${metric}', 'http', toDecimal128(${value}, 9), toDecimal256(${value}, 9), 1, toDateTime64('${day} 00:00:00', 3, 'UTC')`,
  )
}

/** Changes the value of a materialized partnership day, but not the number of changes at which it was computed. */
export async function falsifyPartnershipDay(
  { control }: ClickHouse,
  { partnerId, day, metric }: { partnerId: string; day: string; metric: string },
): Promise<void> {
  await control.command(
    `INSERT INTO partnership_usage_per_day_v1 (partner_id, usage_date, metric, newest) SETTINGS async_insert = 0
     SELECT partner_id, usage_date, metric, CAST((row.changes, row.as_of + INTERVAL 1 DAY, row.value + 1, row.events),
       'Tuple(changes UInt64, as_of DateTime64(3, \\'UTC\\'), value Decimal(76, 9), events Int64)')
     FROM (SELECT partner_id, usage_date, metric, max(newest) AS row FROM partnership_usage_per_day_v1
           WHERE partner_id = '${partnerId}' AND usage_date = '${day}' AND metric = '${metric}' GROUP BY partner_id, usage_date, metric)`,
  )
}
