import { z } from 'zod'
import type { Lane } from '../../sql/clickhouse.ts'
import { StoreError } from '../../sql/errors.ts'
import { type Lease, leaseTag } from '../../sql/lease.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'
import { addDifferences, differencesSql, RollupDifference } from '../repair/rollup-differences.ts'
import type { LogRange } from './in-doubt-range.ts'

/**
 * Settles the rollup of the last range of a log just taken: after the kill nobody else's writes can land, so what is
 * missing now is missing for good. The keys of the range are recounted from raw within this log, and the differences are
 * added to the rollup through the fence. Doing it twice changes nothing: the second time there is no difference.
 * Idempotent for a maximum, and for sums because what is added is recount minus rollup.
 * Returns how many (project, day, metric) were repaired. Throws StoreError.
 */
export async function reconcileRollup(lane: Lane, ownership: Lease, { first, through }: LogRange): Promise<number> {
  const { name: log } = ownership
  const differences = await lane.query(differencesOfRange, { log, first, through })
  requireRawAhead(differences)
  await addDifferences(lane, ownership, differences)
  await lane.execute(noteChangesOfRange, { log, first, through }, leaseTag(log))
  return differences.length
}

/** Raw's part is committed before the rollup's, so this cannot be; and a peak cannot be taken back by adding rows. */
function requireRawAhead(differences: readonly RollupDifference[]): void {
  const ahead = differences.find((key) => key.rollup_is_ahead !== 0)
  if (ahead === undefined) return
  throw new StoreError(
    'fault',
    `The rollup of project ${ahead.project_id}, ${ahead.usage_date}, ${ahead.metric} is ahead of raw and cannot be repaired by adding. Run "meterline rebuild --month ${ahead.usage_date.slice(0, 7)}", with --offline where no service starts.`,
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
 * The rollup may hold the range while its days still stand under the number of changes from before: then what was computed
 * of them would pass as right. A change too many only has them computed once more, so this needs no fence.
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
