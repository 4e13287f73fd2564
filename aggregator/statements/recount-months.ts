import { z } from 'zod'
import { isKindOfStates } from '../../metering/metrics.ts'
import { type Month, periodOfMonth } from '../../metering/month.ts'
import { readMetrics } from '../../registry/metrics/metrics.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { type Lease, leaseTag } from '../../sql/lease.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { METRIC_OF_STATES } from '../../sql/usage-states.ts'
import { effectiveEvents, statesOfEvents } from '../usage/effective-usage.ts'
import { PROJECT_VALUE_FROM_EVENTS } from '../usage/peak-or-sum.ts'
import { PROJECTS_OF_PARTNER } from '../usage/projects-of-partner.ts'
import { valuesOfStates } from '../usage/state-values.ts'
import { findUnbilledMonths, readRecords, writeBilledRecords } from './billed-records.ts'
import type { StatementHeader } from './headers.ts'
import { monthsOfNewProjects, readMonthChanges } from './month-changes.ts'
import { DAYS_OF_MONTH } from './share-of-month.ts'

/** One attempt to close a month of a partner. Its rows count only once its header is written. */
export interface ClosingAttempt {
  readonly partnerId: string
  readonly month: Month
  readonly closing: string
  readonly lease: Lease
}

export interface Recounted {
  /** The months that were recounted: earlier ones in which the partner has other events or corrections than were billed, then the month itself. */
  readonly months: readonly Month[]
  /** For every closed month, and the one that is closing, the number of changes that the bills include. */
  readonly billedChanges: ReadonlyMap<Month, number>
  /** Projects created up to this time are in the bills, in ms since 1970. */
  readonly projectsThroughMs: number
}

/**
 * Recounts raw with its corrections, not the rollup: no bill depends on a materialized view. The newest project and the numbers of changes
 * and records are read first, so the recount includes at least what they stand for. What arrives meanwhile may be included or not. Either
 * way the numbers of its month have grown, so the next closing recounts that month and bills only what is missing. Throws StoreError.
 */
export async function recountMonths(clickhouse: ClickHouse, attempt: ClosingAttempt, closed: readonly StatementHeader[]): Promise<Recounted> {
  const { partnerId, month, closing, lease } = attempt
  const { createdMs } = await queryOne(clickhouse.reads, newestProjectOfPartner, { partnerId })
  const billed = closed.map((header) => header.month)
  const changes = await readMonthChanges(clickhouse, [...billed, month])
  const last = closed.at(-1)
  const ofNewProjects = last === undefined ? new Set<Month>() : await monthsOfNewProjects(clickhouse, partnerId, last.projectsThroughMs)
  const changed = billed.filter((each) => ofNewProjects.has(each) || changes.get(each) !== last?.billedChanges.get(each))
  // What changed a month may be another partner's usage, which costs this partner nothing.
  const records = await readRecords(clickhouse, partnerId, [...changed, month])
  const months = [...(await findUnbilledMonths(clickhouse, partnerId, { closed, months: changed, records })), month]
  const hasStates = (await readMetrics({ clickhouse })).some(({ kind }) => isKindOfStates(kind))
  for (const each of months) {
    const { first, end } = periodOfMonth(each)
    const { name: log, epoch, owner } = lease
    const params = { log, epoch, owner, partnerId, closing, month: each, from: first, end }
    await clickhouse.work.execute(recountMonth, params, leaseTag(log))
    if (hasStates) await clickhouse.work.execute(recountStatesOfMonth, params, leaseTag(log))
  }
  await writeBilledRecords(clickhouse, attempt, { months, records })
  return { months, billedChanges: changes, projectsThroughMs: createdMs }
}

const newestProjectOfPartner = defineQuery({
  name: 'newest_project_of_partner',
  sql: 'SELECT toUnixTimestamp64Milli(max(created_at)) AS createdMs FROM projects_v1 WHERE partner_id = {partnerId: String}',
  params: z.object({ partnerId: z.string() }),
  row: z.object({ createdMs: z.coerce.number() }),
})

/** Inserts the days of a month, which are SQL with project_id, metric, usage_date, day_events and day_value. */
function recount(name: string, days: string) {
  return defineStatement({
    name,
    sql: `
    INSERT INTO statement_recounts_inbox_v1 (log, epoch, owner, partner_id, closing, month, metric, project_id, days, values, events)
    SELECT {log: String}, {epoch: UInt64}, {owner: String}, {partnerId: String}, {closing: String}, {month: String}, metric, project_id,
      per_day.1, per_day.2, per_day.3
    FROM (
      SELECT metric, project_id, ${DAYS_OF_MONTH} AS per_day
      FROM (${days})
      GROUP BY metric, project_id
    )`,
    params: z.object({
      log: z.string(),
      epoch: z.number(),
      owner: z.string(),
      partnerId: z.string(),
      closing: z.string(),
      month: z.string(),
      from: z.string(),
      end: z.string(),
    }),
    settings: { max_execution_time: 3600 },
  })
}

const IN_MONTH = `usage_date >= {from: Date} AND usage_date < {end: Date} AND project_id IN (${PROJECTS_OF_PARTNER})`

const recountMonth = recount(
  'recount_month',
  `
        SELECT project_id, metric, usage_date, toInt64(count()) AS day_events, ${PROJECT_VALUE_FROM_EVENTS} AS day_value
        FROM ${effectiveEvents(`${IN_MONTH} AND NOT (${METRIC_OF_STATES})`)}
        GROUP BY project_id, metric, usage_date`,
)

/** Of the kinds `last` and `unique` a day has what it adds to the month, so that the days add up to the project's month. */
const recountStatesOfMonth = recount(
  'recount_states_of_month',
  `SELECT project_id, metric, usage_date, day_events, added AS day_value FROM ${valuesOfStates(statesOfEvents(IN_MONTH), 'month')}`,
)
