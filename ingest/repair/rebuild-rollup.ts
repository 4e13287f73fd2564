import { z } from 'zod'
import { type Month, periodOfMonth } from '../../metering/month.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { classifyStoreError, StoreError } from '../../sql/errors.ts'
import { type Lease, leaseTag } from '../../sql/lease.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import type { BetweenBatches } from '../log/event-log.ts'
import { findLostLease, lockAllLogs, STOP_IT } from './lock-all-logs.ts'

export type RebuildOutcome = { status: 'rebuilt'; result: Rebuilt } | { status: 'rejected'; reason: string }

export interface Rebuilt {
  /** How many (project, day, metric, log) the month's rollup has now. */
  readonly keys: number
  readonly events: number
  /** How many of them, or of those that the rollup had before, differed. */
  readonly differencesBefore: number
}

/**
 * Counts the rollup of a month anew from raw and puts it in the old one's place, whatever that held: also a rollup that is
 * ahead of raw, which settling cannot mend. No batch may land meanwhile, so every event log is held. The order is the guarantee:
 * 1. Hold the logs. A crash after: each is taken by its next owner, as ever.
 * 2. Count raw into a table beside, emptied first. A crash after: nobody reads it, and the next rebuild empties it.
 * 3. Note that a rebuild has begun: from here on readers compute the days of this month themselves. Then a change of every
 *    day that the rollup or raw has. A crash after: they go on computing them, from the old rollup.
 * 4. Replace: one step of the store, old or new and nothing between. A crash after: they compute them from the new one.
 * 5. Note a change of all those days again: what was computed of them since 3 is of the old rollup. A crash after: as before.
 * 6. Note that the rebuild has ended: the days are kept again as soon as they are computed anew.
 * Repeated it does the same again, from wherever it was. Throws StoreError; EventsUnavailable when the log cannot be held.
 */
export function rebuildRollup(clickhouse: ClickHouse, month: Month, betweenBatches: BetweenBatches): Promise<RebuildOutcome> {
  return betweenBatches(async (held) => {
    const logs = await lockAllLogs(clickhouse, held)
    if (logs.status === 'rejected') return logs
    return rebuildHeld(clickhouse, month, logs.ownerships)
  })
}

async function rebuildHeld(clickhouse: ClickHouse, month: Month, ownerships: readonly [Lease, ...Lease[]]): Promise<RebuildOutcome> {
  const { reads } = clickhouse
  const { first: from, end } = periodOfMonth(month)
  const span = { from, end }
  await reads.execute(emptyRebuilt, {})
  if ((await fill(clickhouse, span, ownerships)) === 'lost')
    return { status: 'rejected', reason: `Another process took a log meanwhile; ${UNCHANGED} ${STOP_IT}` }
  const rebuilt = await compare(clickhouse, span)
  const number = await beginRebuild(clickhouse, month)
  await reads.execute(noteChangesOfMonth, span)
  const lostBefore = await findLostLease(clickhouse, ownerships)
  if (lostBefore === undefined) await reads.execute(rebuilt.keys === 0 ? dropMonth : replaceMonth, { partition: month.replace('-', '') })
  const lost = await findLostLease(clickhouse, ownerships)
  await reads.execute(noteChangesOfMonth, span)
  await noteRebuild(clickhouse, { month, begun: number, ended: number })
  if (lost === undefined) return { status: 'rebuilt', result: rebuilt }
  const left = lostBefore === undefined ? `the rollup of ${month} may lack what it wrote.` : UNCHANGED
  return { status: 'rejected', reason: `Another process took the log ${lost} meanwhile; ${left} ${STOP_IT}` }
}

const UNCHANGED = 'the rollup is as it was.'

async function beginRebuild(clickhouse: ClickHouse, month: Month): Promise<number> {
  const last = await queryOne(clickhouse.control, lastRebuild, { month })
  const number = last.begun + 1
  await noteRebuild(clickhouse, { month, begun: number, ended: 0 })
  return number
}

function noteRebuild({ control }: ClickHouse, { month, begun, ended }: { month: Month; begun: number; ended: number }): Promise<void> {
  return control.insert({ table: 'rollup_rebuilds_v1', columns: ['month', 'begun', 'ended'], text: `${month}\t${begun}\t${ended}\n` })
}

/**
 * Marked as of the first log, for whoever takes that: two that rebuild at once take the same one first, and the sums of the
 * one must not run into the table of the other. On the embedded engine, which is one process's, a failed statement would stay.
 */
async function fill(clickhouse: ClickHouse, span: Span, ownerships: readonly [Lease, ...Lease[]]): Promise<'filled' | 'lost'> {
  const params = { ...span, logs: ownerships.map(({ log }) => log), owners: ownerships.map(({ owner }) => owner) }
  try {
    await clickhouse.reads.execute(countIntoRebuilt, params, clickhouse.engine === 'server' ? leaseTag(ownerships[0].log) : undefined)
    return 'filled'
  } catch (thrown) {
    if (classifyStoreError(thrown).fault === 'fenced') return 'lost'
    throw thrown
  }
}

/** What was counted must be all of raw: what takes the rollup's place is on the bill. */
async function compare(clickhouse: ClickHouse, span: Span): Promise<Rebuilt> {
  const raw = await queryOne(clickhouse.reads, rawEvents, span)
  const rebuilt = await queryOne(clickhouse.reads, rebuiltAgainstRollup, span)
  if (raw.events !== rebuilt.events)
    throw new StoreError('fault', `Raw has ${raw.events} events, but ${rebuilt.events} were counted; the rollup is as it was. Rebuild the month again.`)
  return { keys: rebuilt.keys, events: rebuilt.events, differencesBefore: rebuilt.differences }
}

const Span = z.object({ from: z.string(), end: z.string() })
type Span = z.output<typeof Span>

const IN_MONTH = 'usage_date >= {from: Date} AND usage_date < {end: Date}'
const LONG = { max_execution_time: 3600 }

const lastRebuild = defineQuery({
  name: 'last_rebuild',
  sql: 'SELECT max(begun) AS begun FROM rollup_rebuilds_v1 WHERE month = {month: String}',
  params: z.object({ month: z.string() }),
  row: z.object({ begun: z.coerce.number() }),
})

/** Of the days that had a change before as well: of those that only the old rollup had, nothing else would tell. */
const noteChangesOfMonth = defineStatement({
  name: 'note_changes_of_month',
  sql: `INSERT INTO usage_day_changes_v1 (usage_date, changes)
        SELECT DISTINCT usage_date, 1 FROM (
          SELECT usage_date FROM usage_day_changes_v1 WHERE ${IN_MONTH}
          UNION ALL SELECT usage_date FROM project_usage_per_day_v1 WHERE ${IN_MONTH}
          UNION ALL SELECT usage_date FROM raw_usage_events_v1 WHERE ${IN_MONTH}
        )`,
  params: Span,
  settings: LONG,
})

const emptyRebuilt = defineStatement({ name: 'empty_rebuilt', sql: 'TRUNCATE TABLE IF EXISTS rebuilt_usage_per_day_v1', params: z.object({}) })

/** As the rollup's own view counts, but once for each identity. The fence stands in front as well: it arrives late or not at all. */
const countIntoRebuilt = defineStatement({
  name: 'count_into_rebuilt',
  sql: `INSERT INTO rebuilt_usage_per_day_v1 (project_id, usage_date, metric, log, peak, total, events, last_event_at)
        WITH (
          SELECT count() FROM (SELECT log, argMax(owner, (epoch, owner)) AS newest FROM log_owners_v1 WHERE log IN {logs: Array(String)} GROUP BY log)
          WHERE newest NOT IN {owners: Array(String)}
        ) AS lost
        SELECT project_id, usage_date, metric, log, max(value), sum(toDecimal256(value, 9)), toInt64(count()), max(timestamp)
        FROM raw_usage_events_v1 FINAL
        WHERE ${IN_MONTH} AND throwIf(lost > 0, 'a newer owner has taken this log') = 0
        GROUP BY project_id, usage_date, metric, log`,
  params: Span.extend({ logs: z.array(z.string()), owners: z.array(z.string()) }),
  settings: LONG,
})

const rawEvents = defineQuery({
  name: 'raw_events_of_month',
  sql: `SELECT count() AS events FROM raw_usage_events_v1 FINAL WHERE ${IN_MONTH}`,
  params: Span,
  row: z.object({ events: z.coerce.number() }),
  settings: LONG,
})

const rebuiltAgainstRollup = defineQuery({
  name: 'rebuilt_against_rollup',
  sql: `
    SELECT countIf(rebuilt_events > 0) AS keys, sum(rebuilt_events) AS events,
      countIf(rebuilt_events != rollup_events OR rebuilt_total != rollup_total OR rebuilt_peak != rollup_peak) AS differences
    FROM (
      SELECT project_id, usage_date, metric, log,
        sumIf(events, rebuilt) AS rebuilt_events, sumIf(total, rebuilt) AS rebuilt_total, maxIf(peak, rebuilt) AS rebuilt_peak,
        sumIf(events, NOT rebuilt) AS rollup_events, sumIf(total, NOT rebuilt) AS rollup_total, maxIf(peak, NOT rebuilt) AS rollup_peak
      FROM (
        SELECT project_id, usage_date, metric, log, events, total, peak, true AS rebuilt FROM rebuilt_usage_per_day_v1 WHERE ${IN_MONTH}
        UNION ALL
        SELECT project_id, usage_date, metric, log, events, total, peak, false FROM project_usage_per_day_v1 WHERE ${IN_MONTH}
      )
      GROUP BY project_id, usage_date, metric, log
    )`,
  params: Span,
  row: z.object({ keys: z.coerce.number(), events: z.coerce.number(), differences: z.coerce.number() }),
  settings: LONG,
})

const Partition = z.object({ partition: z.string().regex(/^\d{6}$/) })

const replaceMonth = defineStatement({
  name: 'replace_month',
  sql: 'ALTER TABLE project_usage_per_day_v1 REPLACE PARTITION ID {partition: String} FROM rebuilt_usage_per_day_v1',
  params: Partition,
})

/** A month of which raw has nothing. From an empty table the store refuses to replace, rightly: so this one says what it does. */
const dropMonth = defineStatement({
  name: 'drop_month',
  sql: 'ALTER TABLE project_usage_per_day_v1 DROP PARTITION ID {partition: String}',
  params: Partition,
})
