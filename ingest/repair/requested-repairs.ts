import { z } from 'zod'
import type { Logger } from '../../metering/logger.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import type { Lease } from '../../sql/lease.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { row } from '../../sql/tab-separated.ts'
import { addDifferences, differencesSql, RollupDifference } from './rollup-differences.ts'

export interface RequestedRepairsOptions {
  readonly lane: Lane
  readonly logger: Logger
}

/**
 * What audits ask of one log's owner: to recount keys of its rollup. Looked for between two batches, as nothing else may
 * write the log's rows then. One is made for each time the log is taken: what was asked before may not have been done.
 */
export class RequestedRepairs {
  readonly #options: RequestedRepairsOptions
  #handled: { requests: number; newestMs: number } | undefined

  constructor(options: RequestedRepairsOptions) {
    this.#options = options
  }

  /**
   * Returns how many (project, day, metric) were repaired; nearly always none was asked for, and one small query says so.
   * A rollup that is ahead of raw cannot be repaired by adding: that is told, and the log goes on. So it does when
   * the recount fails: the next audit asks again. Throws StoreError when a write fails: then the log must be taken anew.
   */
  async repair(ownership: Lease): Promise<number> {
    const { lane, logger } = this.#options
    const name = ownership.name
    let found: { days: string[]; differences: RollupDifference[] } | undefined
    try {
      found = await this.#findDifferences(name)
    } catch (error) {
      logger.error({ err: error, log: name }, 'what an audit asked to be repaired could not be recounted; the next audit asks again')
    }
    if (found === undefined) return 0
    for (const { project_id, usage_date, metric } of found.differences.filter((key) => key.rollup_is_ahead !== 0))
      logger.error(
        { log: name, project: project_id, day: usage_date, metric },
        `the rollup is ahead of raw and cannot be repaired by adding: run "meterline rebuild --month ${usage_date.slice(0, 7)}"`,
      )
    const repairable = found.differences.filter((key) => key.rollup_is_ahead === 0)
    await addDifferences(lane, ownership, repairable)
    await noteChanges(lane, found.days)
    if (repairable.length > 0) logger.warn({ log: name, keys: repairable.length }, 'an audit found the rollup behind raw; it is repaired')
    return repairable.length
  }

  /**
   * Requests are told apart by their number: their times are those of the store, and one may show up after a later one.
   * Those of the last minute before the newest one known are looked at once more, which changes nothing.
   */
  async #findDifferences(log: string): Promise<{ days: string[]; differences: RollupDifference[] } | undefined> {
    const { lane } = this.#options
    const asked = await queryOne(lane, repairRequests, { log })
    const before = this.#handled
    if (asked.requests === (before?.requests ?? 0)) return undefined
    this.#handled = { requests: asked.requests, newestMs: asked.newest_ms }
    const keys = await lane.query(requestedKeys, { log, sinceMs: before === undefined ? 0 : before.newestMs - LOOK_BACK_MS })
    if (keys.length === 0) return undefined
    const differences = await lane.query(differencesOfKeys, {
      log,
      keys: keys.map(({ project_id, usage_date, metric }): [string, string, string] => [project_id, usage_date, metric]),
    })
    const days = before === undefined ? keys : differences.filter((key) => key.rollup_is_ahead === 0)
    return { differences, days: [...new Set(days.map(({ usage_date }) => usage_date))] }
  }
}

const LOOK_BACK_MS = 60_000
const REPAIRED_KEYS_MAX = 10_000
/** The log waits meanwhile. */
const RECOUNT_SECONDS_MAX = 60

/**
 * The rollup's own view notes the change of what is added; a crash between the two would leave a repaired day under its old
 * number, so whoever takes the log next notes one of each day that was ever asked for. One too many does no harm.
 */
async function noteChanges(lane: Lane, days: readonly string[]): Promise<void> {
  if (days.length === 0) return
  await lane.insert({ table: 'usage_day_changes_v1', columns: ['usage_date', 'changes'], text: days.map((day) => row([day, 1])).join('') })
}

const repairRequests = defineQuery({
  name: 'repair_requests',
  sql: `SELECT count() AS requests, toUnixTimestamp64Milli(max(requested_at)) AS newest_ms FROM rollup_repairs_v1 WHERE log = {log: String}`,
  params: z.object({ log: z.string() }),
  row: z.object({ requests: z.coerce.number(), newest_ms: z.coerce.number() }),
})

const requestedKeys = defineQuery({
  name: 'requested_keys',
  sql: `SELECT project_id, usage_date, metric FROM rollup_repairs_v1
        WHERE log = {log: String} AND requested_at >= fromUnixTimestamp64Milli({sinceMs: Int64}, 'UTC')
        GROUP BY project_id, usage_date, metric ORDER BY max(requested_at) DESC LIMIT ${REPAIRED_KEYS_MAX}`,
  params: z.object({ log: z.string(), sinceMs: z.number() }),
  row: z.object({ project_id: z.string(), usage_date: z.string(), metric: z.string() }),
})

const differencesOfKeys = defineQuery({
  name: 'rollup_differences_of_keys',
  sql: differencesSql(`
      SELECT key.1 AS project_id, key.2 AS usage_date, key.3 AS metric FROM (SELECT arrayJoin({keys: Array(Tuple(String, Date, String))}) AS key)`),
  params: z.object({ log: z.string(), keys: z.array(z.tuple([z.string(), z.string(), z.string()])) }),
  row: RollupDifference,
  settings: { max_execution_time: RECOUNT_SECONDS_MAX },
})
