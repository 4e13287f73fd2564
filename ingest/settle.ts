import { z } from 'zod'
import type { Lane } from '../sql/clickhouse.ts'
import { StoreError } from '../sql/errors.ts'
import { type Ownership, tagOfLog } from '../sql/fence.ts'
import { defineQuery, defineStatement } from '../sql/query.ts'
import { row } from '../sql/tab-separated.ts'
import type { LogRange } from './last-range.ts'

/**
 * Settles the rollup of the last range of a log just taken: after the kill nobody else's writes can land, so what is
 * missing now is missing for good. The keys of the range are recounted from raw within this log, and the differences are
 * added to the rollup through the fence. Doing it twice changes nothing: the second time there is no difference.
 * Idempotent for a maximum, and for sums because what is added is recount minus rollup.
 * Returns how many (project, day, metric) were repaired. Throws StoreError.
 */
export async function settleRollup(lane: Lane, ownership: Ownership, { first, through }: LogRange): Promise<number> {
  const { log } = ownership
  const differences = await lane.query(rollupDifferences, { log, first, through })
  requireRawAhead(differences)
  if (differences.length > 0) {
    const text = differences.map((key) => differenceRow(ownership, key)).join('')
    await lane.insert({ table: 'rollup_differences_inbox_v1', columns: DIFFERENCE_COLUMNS, text, tag: tagOfLog(log) })
  }
  await lane.execute(noteChangesOfRange, { log, first, through }, tagOfLog(log))
  return differences.length
}

type Difference = z.output<typeof DifferenceRow>

const DIFFERENCE_COLUMNS = ['log', 'epoch', 'owner', 'project_id', 'usage_date', 'metric', 'peak', 'total', 'events', 'last_event_ms']

function differenceRow({ log, epoch, owner }: Ownership, key: Difference): string {
  return row([log, epoch, owner, key.project_id, key.usage_date, key.metric, key.peak, key.total, key.events, key.last_event_ms])
}

/** Raw's part is committed before the rollup's, so this cannot be; and a peak cannot be taken back by adding rows. */
function requireRawAhead(differences: readonly Difference[]): void {
  const ahead = differences.find((key) => key.rollup_is_ahead !== 0)
  if (ahead === undefined) return
  throw new StoreError(
    'fault',
    `The rollup of project ${ahead.project_id}, ${ahead.usage_date}, ${ahead.metric} is ahead of raw and cannot be repaired by adding. Rebuild that month's rollup from raw.`,
  )
}

const DifferenceRow = z.object({
  project_id: z.string(),
  usage_date: z.string(),
  metric: z.string(),
  peak: z.string(),
  total: z.string(),
  events: z.string(),
  last_event_ms: z.string(),
  rollup_is_ahead: z.number(),
})

const rollupDifferences = defineQuery({
  name: 'rollup_differences',
  sql: `
    WITH touched AS (
      SELECT DISTINCT project_id, usage_date, metric FROM raw_usage_events_v1
      WHERE log = {log: String} AND rank >= bitNot({through: UInt64}) AND rank <= bitNot({first: UInt64})
    )
    SELECT
      project_id, usage_date, metric,
      max(raw_peak) AS peak,
      sum(raw_total) - sum(rollup_total) AS total,
      sum(raw_events) - sum(rollup_events) AS events,
      toUnixTimestamp64Milli(max(raw_last)) AS last_event_ms,
      (sum(rollup_events) > sum(raw_events)) OR (max(rollup_peak) > max(raw_peak)) AS rollup_is_ahead
    FROM (
      SELECT project_id, usage_date, metric,
        max(value) AS raw_peak, sum(toDecimal256(value, 9)) AS raw_total, toInt64(count()) AS raw_events, max(timestamp) AS raw_last,
        toDecimal128(0, 9) AS rollup_peak, toDecimal256(0, 9) AS rollup_total, toInt64(0) AS rollup_events
      FROM raw_usage_events_v1 FINAL
      WHERE log = {log: String} AND project_id IN (SELECT project_id FROM touched) AND usage_date IN (SELECT usage_date FROM touched)
        AND (project_id, usage_date, metric) IN (SELECT project_id, usage_date, metric FROM touched)
      GROUP BY project_id, usage_date, metric
      UNION ALL
      SELECT project_id, usage_date, metric,
        toDecimal128(0, 9), toDecimal256(0, 9), toInt64(0), toDateTime64(0, 3, 'UTC'),
        max(peak), sum(total), sum(events)
      FROM project_usage_per_day_v1
      WHERE log = {log: String} AND (project_id, usage_date, metric) IN (SELECT project_id, usage_date, metric FROM touched)
      GROUP BY project_id, usage_date, metric
    )
    GROUP BY project_id, usage_date, metric
    HAVING sum(raw_total) != sum(rollup_total) OR sum(raw_events) != sum(rollup_events) OR max(raw_peak) != max(rollup_peak)`,
  params: z.object({ log: z.string(), first: z.number(), through: z.number() }),
  row: DifferenceRow,
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
