import { z } from 'zod'
import type { Lane } from '../../sql/clickhouse.ts'
import { StoreError } from '../../sql/errors.ts'
import type { Lease } from '../../sql/lease.ts'
import { defineQuery } from '../../sql/query.ts'
import { indexRange } from './identity-index.ts'
import type { InDoubtRange, LogRange } from './in-doubt-range.ts'
import { addDifferences, findDifferences, noteChanges, type RollupDifference } from './rollup-differences.ts'
import { addStatesOfRange } from './usage-states.ts'

/**
 * Makes the in-doubt range of a log whole, as far as that is possible without its events: the index of identities and the rollup get what
 * raw has. For a log that nobody reads on, such as one that is retired; an OwnedLog does the same in two steps. Reads nothing if the
 * range is settled. Throws StoreError.
 */
export async function reconcileRange(lane: Lane, lease: Lease, range: RangeToRepair & Pick<InDoubtRange, 'settled'>): Promise<void> {
  if (range.settled) return
  await indexRange(lane, lease.name, range)
  await repairRollup(lane, lease, range)
}

/** `metricsOfStates` is needed if the catalogue is on another server (usage-states.ts). */
export type RangeToRepair = LogRange & { readonly metricsOfStates?: readonly string[] | undefined }

/**
 * Repairs the rollup of a log's last batch after its lease was acquired. The statements of previous owners are killed by then
 * and the fence refuses late ones, so what is missing now will not arrive any more.
 * 1. The days of the range are read, those of its events and of its corrections; both tables have an index on offsets.
 * 2. The records of these days, events and corrections, are counted within the log, in their tables and in the rollup. The rollup gets the
 *    records of one part in one part, or none of them; so where the counts are equal, nothing is missing. That of the events which count
 *    would not do: an amendment does not change it.
 * 3. On the other days the keys of the range are recounted, and the differences are added to the rollup through the fence. Running
 *    it twice changes nothing: that is idempotent for a maximum, and for sums because what is added is recount minus rollup.
 * The states of the kinds `last` and `unique` are added again from the range's events, whether they are missing or not: that changes nothing.
 * Returns how many (project, day, metric) were repaired. Throws StoreError.
 */
export async function repairRollup(lane: Lane, lease: Lease, { first, through, metricsOfStates }: RangeToRepair): Promise<number> {
  const { name: log } = lease
  const days = (await lane.query(daysOfRange, { log, first, through })).map(({ usageDate }) => usageDate)
  if (days.length === 0) return 0
  await addStatesOfRange(lane, log, { first, through, metrics: metricsOfStates })
  const differing = (await lane.query(daysThatDiffer, { log, days })).map(({ usageDate }) => usageDate)
  const keys = differing.length === 0 ? [] : await lane.query(keysOfRange, { log, first, through, days: differing })
  const differences = await findDifferences(lane, { log, keys, secondsMax: SECONDS_MAX })
  requireRawAhead(differences)
  await addDifferences(lane, lease, differences)
  // A crash may have left the range in the rollup while its days still have their previous number of changes; then partnership days
  // computed before it would pass as current. An extra change only triggers a redundant recomputation, so no fencing is needed.
  await noteChanges(lane, days)
  return differences.length
}

/** The part of raw, or of corrections, is committed before the rollup's, so a rollup is never ahead after a crash; if it is, adding rows could not lower a peak. */
function requireRawAhead(differences: readonly RollupDifference[]): void {
  const ahead = differences.find((key) => key.rollupIsAhead !== 0)
  if (ahead === undefined) return
  throw new StoreError(
    'fault',
    `The rollup of project ${ahead.projectId}, ${ahead.usageDate}, ${ahead.metric} is ahead of raw and cannot be repaired by adding. Run "meterline rebuild --month ${ahead.usageDate.slice(0, 7)}", with --offline if no service starts.`,
  )
}

const SECONDS_MAX = 600
const RANGE = 'log = {log: String} AND rank >= bitNot({through: UInt64}) AND rank <= bitNot({first: UInt64})'
const Range = z.object({ log: z.string(), first: z.number(), through: z.number() })

const daysOfRange = defineQuery({
  name: 'days_of_range',
  sql: `SELECT DISTINCT usage_date AS usageDate FROM (
          SELECT usage_date FROM raw_usage_events_v1 WHERE ${RANGE}
          UNION ALL SELECT usage_date FROM usage_corrections_v1 WHERE ${RANGE}
        )`,
  params: Range,
  row: z.object({ usageDate: z.string() }),
  settings: { max_execution_time: SECONDS_MAX },
})

/** Without FINAL: the rollup has counted each row that was inserted, also one that a merge will replace. */
const daysThatDiffer = defineQuery({
  name: 'days_that_differ',
  sql: `
    SELECT usage_date AS usageDate FROM (
      SELECT usage_date, toInt64(count() + countIf(correction_batch != '')) AS stored, toInt64(0) AS in_rollup
      FROM raw_usage_events_v1 WHERE log = {log: String} AND usage_date IN {days: Array(Date)} GROUP BY usage_date
      UNION ALL
      SELECT usage_date, toInt64(count()), 0
      FROM usage_corrections_v1 WHERE log = {log: String} AND usage_date IN {days: Array(Date)} GROUP BY usage_date
      UNION ALL
      SELECT usage_date, 0, sum(events) + sum(corrections)
      FROM project_usage_per_day_v1 WHERE log = {log: String} AND usage_date IN {days: Array(Date)} GROUP BY usage_date
    )
    GROUP BY usage_date HAVING sum(stored) != sum(in_rollup)`,
  params: z.object({ log: z.string(), days: z.array(z.string()) }),
  row: z.object({ usageDate: z.string() }),
  settings: { max_execution_time: SECONDS_MAX },
})

const keysOfRange = defineQuery({
  name: 'keys_of_range',
  sql: `SELECT DISTINCT project_id AS projectId, usage_date AS usageDate, metric FROM (
          SELECT project_id, usage_date, metric FROM raw_usage_events_v1 WHERE ${RANGE} AND usage_date IN {days: Array(Date)}
          UNION ALL
          SELECT project_id, usage_date, metric FROM usage_corrections_v1 WHERE ${RANGE} AND usage_date IN {days: Array(Date)}
        )`,
  params: Range.extend({ days: z.array(z.string()) }),
  row: z.object({ projectId: z.string(), usageDate: z.string(), metric: z.string() }),
  settings: { max_execution_time: SECONDS_MAX },
})
