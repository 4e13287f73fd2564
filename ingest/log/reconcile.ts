import { z } from 'zod'
import type { Lane } from '../../sql/clickhouse.ts'
import { StoreError } from '../../sql/errors.ts'
import { type Lease, leaseTag } from '../../sql/lease.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'
import type { LogRange } from './in-doubt-range.ts'
import { addDifferences, differencesSql, RollupDifference } from './rollup-differences.ts'

/**
 * Reconciles the rollup of a log's last batch after its lease was acquired. The statements of previous owners are killed by then
 * and the fence refuses late ones, so what is missing now will not arrive any more. The keys of the range are recounted from raw
 * within this log, and the differences are added to the rollup through the fence. Running it twice changes nothing: the second
 * time there is no difference. That is idempotent for a maximum, and for sums because what is added is recount minus rollup.
 * Returns how many (project, day, metric) were repaired. Throws StoreError.
 */
export async function reconcileRollup(lane: Lane, lease: Lease, { first, through }: LogRange): Promise<number> {
  const { name: log } = lease
  const differences = await lane.query(differencesOfRange, { log, first, through })
  requireRawAhead(differences)
  await addDifferences(lane, lease, differences)
  await lane.execute(noteChangesOfRange, { log, first, through }, leaseTag(log))
  return differences.length
}

/** Raw's part is committed before the rollup's, so a rollup is never ahead after a crash; if it is, adding rows could not lower a peak. */
function requireRawAhead(differences: readonly RollupDifference[]): void {
  const ahead = differences.find((key) => key.rollupIsAhead !== 0)
  if (ahead === undefined) return
  throw new StoreError(
    'fault',
    `The rollup of project ${ahead.projectId}, ${ahead.usageDate}, ${ahead.metric} is ahead of raw and cannot be repaired by adding. Run "meterline rebuild --month ${ahead.usageDate.slice(0, 7)}", with --offline if no service starts.`,
  )
}

const differencesOfRange = defineQuery({
  name: 'rollup_differences_of_range',
  sql: differencesSql(`
      SELECT DISTINCT project_id, usage_date, metric FROM raw_usage_events_v1
      WHERE log = {log: String} AND rank >= bitNot({through: UInt64}) AND rank <= bitNot({first: UInt64})`),
  params: z.object({ log: z.string(), first: z.number(), through: z.number() }),
  row: RollupDifference,
  settings: { max_execution_time: 600 },
})

/**
 * A crash may have left the range in the rollup while its days still have their previous number of changes; then partnership days
 * computed before it would pass as current. An extra change only triggers a redundant recomputation, so no fencing is needed.
 */
const noteChangesOfRange = defineStatement({
  name: 'note_changes_of_range',
  sql: `INSERT INTO usage_day_changes_v1 (usage_date, changes)
        SELECT usage_date, 1 FROM raw_usage_events_v1
        WHERE log = {log: String} AND rank >= bitNot({through: UInt64}) AND rank <= bitNot({first: UInt64})
        GROUP BY usage_date`,
  params: z.object({ log: z.string(), first: z.number(), through: z.number() }),
  settings: { max_execution_time: 600 },
})
