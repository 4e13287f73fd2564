import { z } from 'zod'
import { type Month, periodOfMonth } from '../../metering/month.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { isFenced, StoreError } from '../../sql/errors.ts'
import { type Lease, leaseTag } from '../../sql/lease.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import type { RunBetweenBatches } from '../../sql/run-between-batches.ts'
import { readMetricsOfStates } from '../log/usage-states.ts'
import { findLostLease, type LockedShard, lockAllLogs, STOP_IT } from './lock-all-logs.ts'
import { computeStates } from './rebuild-states.ts'

export type RebuildOutcome = { status: 'rebuilt'; result: Rebuilt } | { status: 'rejected'; reason: string }

export interface RebuildOptions {
  readonly runBetweenBatches: RunBetweenBatches
  /** Records in the audit log that the month is being rebuilt. Called once the logs are locked: a rejected rebuild has changed nothing. */
  readonly note: () => Promise<void>
}

export interface Rebuilt {
  /** How many (project, day, metric, log, labels) the month's rollup has now. */
  readonly keys: number
  readonly events: number
  /** How many keys, of those it has now or had before, differed. */
  readonly differencesBefore: number
}

/**
 * Recounts the rollup of a month from raw and corrections and replaces the old one, whatever it contained: this also corrects a rollup that is ahead of
 * raw, which reconciling cannot. No batch may land meanwhile, so every event log is locked. The order is the guarantee:
 * 1. Lock the logs. A crash after: each lease is acquired by its next owner, as always.
 * 2. Count raw into a separate table, emptied first, and the states of the kinds `last` and `unique` into another one. A crash after: the
 *    tables are not read, and the next rebuild empties them.
 * 3. Note that a rebuild has begun: from here on readers compute the days of this month themselves. Then note a change of every
 *    day in the rollup or raw. A crash after: readers go on computing the days, from the old rollup.
 * 4. Replace the partition: atomic in the store, so readers see either the old or the new rollup. A crash after: readers compute
 *    the days from the new one. Then that of the states; a crash before it leaves the old ones, and the next rebuild replaces them.
 * 5. Note a change of all those days again: what was computed since 3 is from the old rollup. A crash after: as before.
 * 6. Note that the rebuild has ended: the days are materialized again as soon as they are recomputed.
 * With several shards, each step is done on all of them before the next. Repeating it after a crash at any step gives the same result. Throws
 * StoreError, and EventsUnavailable if the log cannot be locked.
 */
export function rebuildRollup(clickhouse: ClickHouse, month: Month, { runBetweenBatches, note }: RebuildOptions): Promise<RebuildOutcome> {
  return runBetweenBatches(async (lockedLease) => {
    const locked = await lockAllLogs(clickhouse, lockedLease)
    if (locked.status === 'rejected') return locked
    await note()
    return rebuildLocked(clickhouse, month, locked.shards)
  })
}

async function rebuildLocked(clickhouse: ClickHouse, month: Month, locked: readonly LockedShard[]): Promise<RebuildOutcome> {
  const { first: from, end } = periodOfMonth(month)
  const span = { from, end }
  const partition = month.replace('-', '')
  const counted: (LockedShard & { rebuilt: Rebuilt; replaceStates: Awaited<ReturnType<typeof computeStates>> })[] = []
  for (const { shard, leases } of locked) {
    await shard.reads.execute(emptyRebuilt, {})
    if ((await fill(shard, span, leases)) === 'lost')
      return { status: 'rejected', reason: `Another process took over a log meanwhile; ${UNCHANGED} ${STOP_IT}` }
    const rebuilt = await compare(shard, span)
    const metrics = await readMetricsOfStates(clickhouse, shard)
    counted.push({ shard, leases, rebuilt, replaceStates: await computeStates(shard.reads, { ...span, metrics }) })
  }
  const noteChanges = async () => {
    for (const { shard } of locked) await shard.reads.execute(noteChangesOfMonth, span)
  }
  const number = await beginRebuild(clickhouse, month)
  await noteChanges()
  const lostBefore = await findLostLease(locked)
  if (lostBefore === undefined) {
    for (const { shard, rebuilt, replaceStates } of counted) {
      await shard.reads.execute(rebuilt.keys === 0 ? dropMonth : replaceMonth, { partition })
      await shard.reads.execute(replaceStates, { partition })
    }
  }
  const lost = await findLostLease(locked)
  await noteChanges()
  await noteRebuild(clickhouse, { month, begun: number, ended: number })
  if (lost === undefined) return { status: 'rebuilt', result: sumOf(counted.map(({ rebuilt }) => rebuilt)) }
  const effect = lostBefore === undefined ? `the rollup of ${month} may lack what it wrote.` : UNCHANGED
  return { status: 'rejected', reason: `Another process took over the log ${lost} meanwhile; ${effect} ${STOP_IT}` }
}

function sumOf(parts: readonly Rebuilt[]): Rebuilt {
  const sum = (name: keyof Rebuilt) => parts.reduce((total, part) => total + part[name], 0)
  return { keys: sum('keys'), events: sum('events'), differencesBefore: sum('differencesBefore') }
}

const UNCHANGED = 'the rollup is unchanged.'

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
 * Tagged with the first lease, so that the next process which acquires it kills the statement. Two rebuilds that run at the same
 * time acquire the same lease first, and the sums of one must not get into the table of the other. The embedded engine belongs
 * to one process, and a failed statement with a tag would stay in its system.processes, so there is no tag.
 */
async function fill(clickhouse: ClickHouse, span: Span, leases: readonly [Lease, ...Lease[]]): Promise<'filled' | 'lost'> {
  const params = { ...span, logs: leases.map(({ name }) => name), owners: leases.map(({ owner }) => owner) }
  try {
    await clickhouse.reads.execute(countIntoRebuilt, params, clickhouse.engine === 'server' ? leaseTag(leases[0].name) : undefined)
    return 'filled'
  } catch (thrown) {
    if (isFenced(thrown)) return 'lost'
    throw thrown
  }
}

/** The count must cover all of raw, because the new rollup is what is billed. */
async function compare(clickhouse: ClickHouse, span: Span): Promise<Rebuilt> {
  const raw = await queryOne(clickhouse.reads, rawEvents, span)
  const rebuilt = await queryOne(clickhouse.reads, rebuiltAgainstRollup, span)
  if (raw.events !== rebuilt.events || raw.corrections !== rebuilt.corrections)
    throw new StoreError(
      'fault',
      `There are ${raw.events} events and ${raw.corrections} corrections, but ${rebuilt.events} and ${rebuilt.corrections} were counted; the rollup is unchanged. Rebuild the month again.`,
    )
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

/** Includes the days that had a change before: a day that only the old rollup has would otherwise go unnoticed. */
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

/** Counts as the rollup's own views do, but once for each identity, and each correction within its own log. It is fenced too: if it arrives late, it counts nothing. */
const countIntoRebuilt = defineStatement({
  name: 'count_into_rebuilt',
  sql: `INSERT INTO rebuilt_usage_per_day_v1 (project_id, usage_date, metric, log, labels, peak, total, events, last_event_at, corrections, voided)
        WITH (
          SELECT count() FROM (SELECT name, max(newest) AS newest FROM leases_v1 WHERE name IN {logs: Array(String)} GROUP BY name)
          WHERE newest.2 NOT IN {owners: Array(String)}
        ) AS lost
        SELECT project_id, usage_date, metric, log, labels,
          maxIf(value, correction_batch = ''), sumIf(toDecimal256(value, 9), correction_batch = ''), toInt64(count()), max(timestamp),
          toInt64(countIf(correction_batch != '')), toInt64(countIf(correction_batch != ''))
        FROM raw_usage_events_v1 FINAL
        WHERE ${IN_MONTH} AND throwIf(lost > 0, 'a newer owner has taken this log') = 0
        GROUP BY project_id, usage_date, metric, log, labels
        UNION ALL
        SELECT project_id, usage_date, metric, log, labels,
          toDecimal128(0, 9), sum(added_total), toInt64(0), toDateTime64(0, 3, 'UTC'), toInt64(count()), sum(added_voided)
        FROM usage_corrections_v1 FINAL
        WHERE ${IN_MONTH} AND throwIf(lost > 0, 'a newer owner has taken this log') = 0
        GROUP BY project_id, usage_date, metric, log, labels`,
  params: Span.extend({ logs: z.array(z.string()), owners: z.array(z.string()) }),
  settings: LONG,
})

const rawEvents = defineQuery({
  name: 'raw_events_of_month',
  sql: `SELECT (SELECT count() FROM raw_usage_events_v1 FINAL WHERE ${IN_MONTH}) AS events,
          (SELECT count() FROM usage_corrections_v1 FINAL WHERE ${IN_MONTH})
            + (SELECT countIf(correction_batch != '') FROM raw_usage_events_v1 FINAL WHERE ${IN_MONTH}) AS corrections`,
  params: Span,
  row: z.object({ events: z.coerce.number(), corrections: z.coerce.number() }),
  settings: LONG,
})

const rebuiltAgainstRollup = defineQuery({
  name: 'rebuilt_against_rollup',
  sql: `
    SELECT countIf(rebuilt_events + rebuilt_corrections > 0) AS keys, sum(rebuilt_events) AS events, sum(rebuilt_corrections) AS corrections,
      countIf(rebuilt_events != rollup_events OR rebuilt_total != rollup_total OR rebuilt_peak != rollup_peak
        OR rebuilt_corrections != rollup_corrections OR rebuilt_voided != rollup_voided) AS differences
    FROM (
      SELECT project_id, usage_date, metric, log, labels,
        sumIf(events, rebuilt) AS rebuilt_events, sumIf(total, rebuilt) AS rebuilt_total, maxIf(peak, rebuilt) AS rebuilt_peak,
        sumIf(corrections, rebuilt) AS rebuilt_corrections, sumIf(voided, rebuilt) AS rebuilt_voided,
        sumIf(events, NOT rebuilt) AS rollup_events, sumIf(total, NOT rebuilt) AS rollup_total, maxIf(peak, NOT rebuilt) AS rollup_peak,
        sumIf(corrections, NOT rebuilt) AS rollup_corrections, sumIf(voided, NOT rebuilt) AS rollup_voided
      FROM (
        SELECT project_id, usage_date, metric, log, labels, events, total, peak, corrections, voided, true AS rebuilt FROM rebuilt_usage_per_day_v1 WHERE ${IN_MONTH}
        UNION ALL
        SELECT project_id, usage_date, metric, log, labels, events, total, peak, corrections, voided, false FROM project_usage_per_day_v1 WHERE ${IN_MONTH}
      )
      GROUP BY project_id, usage_date, metric, log, labels
    )`,
  params: Span,
  row: z.object({ keys: z.coerce.number(), events: z.coerce.number(), corrections: z.coerce.number(), differences: z.coerce.number() }),
  settings: LONG,
})

const Partition = z.object({ partition: z.string().regex(/^\d{6}$/) })

const replaceMonth = defineStatement({
  name: 'replace_month',
  sql: 'ALTER TABLE project_usage_per_day_v1 REPLACE PARTITION ID {partition: String} FROM rebuilt_usage_per_day_v1',
  params: Partition,
})

/** For a month without events in raw: the store rejects REPLACE PARTITION from a table without that partition. */
const dropMonth = defineStatement({
  name: 'drop_month',
  sql: 'ALTER TABLE project_usage_per_day_v1 DROP PARTITION ID {partition: String}',
  params: Partition,
})
