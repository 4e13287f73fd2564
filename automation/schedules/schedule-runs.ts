import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { ClickHouse, Lane } from '../../sql/clickhouse.ts'
import { type Lease, leaseTag } from '../../sql/lease.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { row } from '../../sql/tab-separated.ts'
import { DUE_AHEAD_MS_MAX } from './clocks.ts'

/** The lease under which one process at a time runs the schedules. */
export const SCHEDULES_LEASE = 'schedules'

/** By a due time of the schedule, or because somebody asked for it. */
export type RunKind = 'schedule' | 'manual'

export interface ScheduledRun {
  readonly scheduleId: string
  /** ms since 1970. */
  readonly dueMs: number
  readonly kind: RunKind
}

/** The id of a run: the same in every process, at every attempt and after every crash. */
export function runIdOf({ scheduleId, dueMs }: Pick<ScheduledRun, 'scheduleId' | 'dueMs'>): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([scheduleId, dueMs]))
    .digest('hex')
  return `run_${hash.slice(0, ID_DIGITS)}`
}

const ID_DIGITS = 32

export interface RunRow extends ScheduledRun {
  /** `claimed`: nothing is known of its outcome. `skipped`: too old to be made up for. */
  readonly state: 'claimed' | 'succeeded' | 'failed' | 'skipped'
  readonly executedMs: number
  readonly statusCode: number | null
  readonly durationMs: number
  readonly message: string
}

/** Throws StoreError, `fenced` when another process has acquired the lease. */
export async function writeRuns({ work }: Pick<ClickHouse, 'work'>, { name, epoch, owner }: Lease, rows: readonly RunRow[]): Promise<void> {
  const text = rows.map(({ scheduleId, dueMs, kind, state, executedMs, statusCode, durationMs, message }) =>
    row([name, epoch, owner, scheduleId, dueMs, state === 'claimed' ? 1 : 2, kind, state, executedMs, statusCode, durationMs, message]),
  )
  await work.insert({ table: 'schedule_runs_inbox_v1', columns: COLUMNS, text: text.join(''), tag: leaseTag(name) })
}

const COLUMNS = [...['log', 'epoch', 'owner', 'schedule_id', 'due_ms', 'step', 'kind', 'state', 'executed_ms', 'status_code'], ...['duration_ms', 'message']]

/**
 * The newest run of each kind of each schedule, without due times that only a wrong clock can have claimed (clocks.ts): otherwise the
 * schedule would be silent until then. Only the newest one can be without an outcome. Throws StoreError.
 */
export function readNewestRuns({ reads }: Pick<ClickHouse, 'reads'>, nowMs: number): Promise<(ScheduledRun & { readonly state: RunRow['state'] })[]> {
  return reads.query(newestRuns, { throughMs: nowMs + DUE_AHEAD_MS_MAX })
}

export interface ExecutionsPage {
  readonly rows: readonly RunRow[]
  readonly totalCount: number
}

/** The runs with an outcome, newest first. Throws StoreError. */
export async function readExecutions(
  { reads }: Pick<ClickHouse, 'reads'>,
  page: { readonly scheduleId: string; readonly limit: number; readonly offset: number },
): Promise<ExecutionsPage> {
  const { totalCount } = await queryOne(reads, executionCount, { scheduleId: page.scheduleId })
  return { rows: await reads.query(executions, page), totalCount }
}

/** The last run of each schedule that succeeded or failed; without those that never ran. Throws StoreError. */
export async function readLastOutcomes(
  { reads }: Pick<ClickHouse, 'reads'>,
  scheduleIds: readonly string[],
): Promise<Map<string, z.output<typeof LastOutcome>>> {
  const found = await reads.query(lastOutcomes, { scheduleIds: [...scheduleIds] })
  return new Map(found.map((each) => [each.scheduleId, each]))
}

/**
 * Deletes the runs that were due and executed before a time, except `kept`. A run that is claimed meanwhile is executed later than
 * `beforeMs`, although it may have been due before it. May take minutes. Throws StoreError.
 */
export async function deleteRuns(lane: Lane, beforeMs: number, kept: readonly ScheduledRun[]): Promise<void> {
  await lane.execute(deleteOldRuns, { beforeMs, kept: kept.map(({ scheduleId, dueMs }): [string, number] => [scheduleId, dueMs]) })
}

const State = z.enum(['claimed', 'succeeded', 'failed', 'skipped'])
const Kind = z.enum(['schedule', 'manual'])

const LastOutcome = z.object({ scheduleId: z.string(), state: State, executedMs: z.coerce.number(), message: z.string() })

const lastOutcomes = defineQuery({
  name: 'last_schedule_outcomes',
  sql: `SELECT schedule_id AS scheduleId, argMax(runs.state, (executed_at, due_at)) AS state, toUnixTimestamp64Milli(max(executed_at)) AS executedMs,
          argMax(runs.message, (executed_at, due_at)) AS message
        FROM schedule_runs_v1 AS runs WHERE schedule_id IN {scheduleIds: Array(String)} AND runs.state IN ('succeeded', 'failed') GROUP BY schedule_id`,
  params: z.object({ scheduleIds: z.array(z.string()) }),
  row: LastOutcome,
})

const newestRuns = defineQuery({
  name: 'newest_schedule_runs',
  sql: `SELECT schedule_id AS scheduleId, kind, toUnixTimestamp64Milli(max(due_at)) AS dueMs, argMax(state, due_at) AS state
        FROM schedule_runs_v1 FINAL WHERE kind = 'manual' OR toUnixTimestamp64Milli(due_at) <= {throughMs: Int64} GROUP BY schedule_id, kind`,
  params: z.object({ throughMs: z.number() }),
  row: z.object({ scheduleId: z.string(), kind: Kind, dueMs: z.coerce.number(), state: State }),
})

const executions = defineQuery({
  name: 'schedule_executions',
  sql: `SELECT schedule_id AS scheduleId, toUnixTimestamp64Milli(due_at) AS dueMs, kind, state, toUnixTimestamp64Milli(executed_at) AS executedMs,
          status_code AS statusCode, duration_ms AS durationMs, message
        FROM schedule_runs_v1 FINAL WHERE schedule_id = {scheduleId: String} AND state != 'claimed'
        ORDER BY due_at DESC LIMIT {limit: UInt64} OFFSET {offset: UInt64}`,
  params: z.object({ scheduleId: z.string(), limit: z.number(), offset: z.number() }),
  row: z.object({
    scheduleId: z.string(),
    dueMs: z.coerce.number(),
    kind: Kind,
    state: State,
    executedMs: z.coerce.number(),
    statusCode: z.number().nullable(),
    durationMs: z.number(),
    message: z.string(),
  }),
})

const executionCount = defineQuery({
  name: 'schedule_execution_count',
  sql: `SELECT count() AS totalCount FROM schedule_runs_v1 FINAL WHERE schedule_id = {scheduleId: String} AND state != 'claimed'`,
  params: z.object({ scheduleId: z.string() }),
  row: z.object({ totalCount: z.coerce.number() }),
})

/** Both steps of a run in one statement: a claim whose outcome is gone would be taken for a run without one. */
const deleteOldRuns = defineStatement({
  name: 'delete_old_schedule_runs',
  sql: `DELETE FROM schedule_runs_v1
        WHERE toUnixTimestamp64Milli(due_at) < {beforeMs: Int64} AND toUnixTimestamp64Milli(executed_at) < {beforeMs: Int64}
          AND (schedule_id, toUnixTimestamp64Milli(due_at)) NOT IN {kept: Array(Tuple(String, Int64))}`,
  params: z.object({ beforeMs: z.number(), kept: z.array(z.tuple([z.string(), z.number()])) }),
  settings: { max_execution_time: 600 },
})
