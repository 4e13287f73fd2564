import { z } from 'zod'
import type { Logger } from '../../metering/logger.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import type { Lease } from '../../sql/lease.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { addDifferences, findDifferences, noteChanges, type RollupDifference } from './rollup-differences.ts'

export interface RequestedRepairsOptions {
  /** Of the store: there are the requests. */
  readonly requests: Pick<Lane, 'query'>
  /** Of the log. */
  readonly lane: Lane
  readonly logger: Logger
}

/**
 * The repairs that audits request from the owner of one log: to recount keys of its rollup. They are made between two batches, when
 * nothing else writes rows of the log. Make a new object each time the lease is acquired: earlier requests may not have been handled.
 */
export class RequestedRepairs {
  readonly #options: RequestedRepairsOptions
  #handled: { requests: number; newestMs: number } | undefined

  constructor(options: RequestedRepairsOptions) {
    this.#options = options
  }

  /**
   * Returns how many (project, day, metric) were repaired. Nearly always nothing was requested, which one small query shows.
   * A rollup that is ahead of raw cannot be repaired by adding: that is logged, and the log goes on. It goes on as well if the
   * recount fails, because the next audit requests the repair again. Throws StoreError if a write fails: then the lease must be
   * acquired again.
   */
  async repair(lease: Lease): Promise<number> {
    const { lane, logger } = this.#options
    const { name: log } = lease
    let found: { days: string[]; differences: RollupDifference[] } | undefined
    try {
      found = await this.#findDifferences(log)
    } catch (error) {
      logger.error({ err: error, log }, 'the rollup could not be recounted for a requested repair; the next audit requests it again')
    }
    if (found === undefined) return 0
    for (const { projectId, usageDate, metric } of found.differences.filter((key) => key.rollupIsAhead !== 0))
      logger.error(
        { log, project: projectId, day: usageDate, metric },
        `the rollup is ahead of raw and cannot be repaired by adding: run "meterline rebuild --month ${usageDate.slice(0, 7)}"`,
      )
    // Where usage is in the wrong set of labels, the total is right: adding to the other set alone would make it too high.
    const ahead = new Set(found.differences.filter((key) => key.rollupIsAhead !== 0).map(cellOf))
    const repairable = found.differences.filter((key) => !ahead.has(cellOf(key)))
    await addDifferences(lane, lease, repairable)
    // The rollup's own view notes the change of what is added. A crash between the two would leave a repaired day with its old number
    // of changes, so the next owner of the log notes one change for each day that was ever requested.
    await noteChanges(lane, found.days)
    if (repairable.length > 0) logger.warn({ log, keys: repairable.length }, 'an audit found the rollup behind raw; it is repaired')
    return repairable.length
  }

  /**
   * New requests are detected by their count, not by their times: those come from the store, and an earlier one may become visible
   * after a later one. Requests of the last minute before the newest known one are therefore handled again, which changes nothing.
   */
  async #findDifferences(log: string): Promise<{ days: string[]; differences: RollupDifference[] } | undefined> {
    const { requests, lane } = this.#options
    const requested = await queryOne(requests, repairRequests, { log })
    const before = this.#handled
    if (requested.requests === (before?.requests ?? 0)) return undefined
    this.#handled = requested
    const keys = await requests.query(requestedKeys, { log, sinceMs: before === undefined ? 0 : before.newestMs - LOOK_BACK_MS })
    if (keys.length === 0) return undefined
    const differences = await findDifferences(lane, { log, keys, secondsMax: RECOUNT_SECONDS_MAX })
    const days = before === undefined ? keys : differences.filter((key) => key.rollupIsAhead === 0)
    return { differences, days: [...new Set(days.map(({ usageDate }) => usageDate))] }
  }
}

function cellOf({ projectId, usageDate, metric }: RollupDifference): string {
  return JSON.stringify([projectId, usageDate, metric])
}

const LOOK_BACK_MS = 60_000
const REPAIRED_KEYS_MAX = 10_000
/** Short, because the log waits while the keys are recounted. */
const RECOUNT_SECONDS_MAX = 60

const repairRequests = defineQuery({
  name: 'repair_requests',
  sql: `SELECT count() AS requests, toUnixTimestamp64Milli(max(requested_at)) AS newestMs FROM rollup_repairs_v1 WHERE log = {log: String}`,
  params: z.object({ log: z.string() }),
  row: z.object({ requests: z.coerce.number(), newestMs: z.coerce.number() }),
})

const requestedKeys = defineQuery({
  name: 'requested_keys',
  sql: `SELECT project_id AS projectId, usage_date AS usageDate, metric FROM rollup_repairs_v1
        WHERE log = {log: String} AND requested_at >= fromUnixTimestamp64Milli({sinceMs: Int64}, 'UTC')
        GROUP BY project_id, usage_date, metric ORDER BY max(requested_at) DESC LIMIT ${REPAIRED_KEYS_MAX}`,
  params: z.object({ log: z.string(), sinceMs: z.number() }),
  row: z.object({ projectId: z.string(), usageDate: z.string(), metric: z.string() }),
})
