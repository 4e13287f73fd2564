import { z } from 'zod'
import type { Lane } from '../../sql/clickhouse.ts'
import { type Lease, leaseTag } from '../../sql/lease.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'

/**
 * For one (project, day, metric, labels) within one log: the peak in raw, and by how much the totals and numbers of its events and corrections exceed
 * the rollup's.
 */
export const RollupDifference = z.object({
  projectId: z.string(),
  usageDate: z.string(),
  metric: z.string(),
  labels: z.string(),
  peak: z.string(),
  total: z.string(),
  events: z.string(),
  corrections: z.string(),
  voided: z.string(),
  lastEventMs: z.string(),
  rollupIsAhead: z.number(),
})
export type RollupDifference = z.output<typeof RollupDifference>

/**
 * Adds differences to the rollup of the lease's log, through the fence. That is idempotent for a maximum, and for sums because what
 * is added is recount minus rollup: call it only between two batches, with differences read since the last one. Throws StoreError.
 */
export async function addDifferences(lane: Lane, lease: Lease, differences: readonly RollupDifference[]): Promise<void> {
  if (differences.length === 0) return
  const text = differences.map((key) => differenceRow(lease, key)).join('')
  await lane.insert({ table: 'rollup_differences_inbox_v1', columns: DIFFERENCE_COLUMNS, text, tag: leaseTag(lease.name) })
}

const DIFFERENCE_COLUMNS = [
  'log',
  'epoch',
  'owner',
  'project_id',
  'usage_date',
  'metric',
  'labels',
  'peak',
  'total',
  'events',
  'corrections',
  'voided',
  'last_event_ms',
]

function differenceRow({ name: log, epoch, owner }: Lease, key: RollupDifference): string {
  return row([
    log,
    epoch,
    owner,
    key.projectId,
    key.usageDate,
    key.metric,
    key.labels,
    key.peak,
    key.total,
    key.events,
    key.corrections,
    key.voided,
    key.lastEventMs,
  ])
}

/** A changed day makes partnership days that were computed before it outdated. Extra changes, also many, do no harm. Throws StoreError. */
export async function noteChanges(lane: Lane, days: readonly string[], changes = 1): Promise<void> {
  if (days.length === 0) return
  await lane.insert({ table: 'usage_day_changes_v1', columns: ['usage_date', 'changes'], text: days.map((day) => row([day, changes])).join('') })
}

export interface KeysToCompare {
  readonly log: string
  readonly keys: readonly Pick<RollupDifference, 'projectId' | 'usageDate' | 'metric'>[]
  readonly secondsMax: number
}

/**
 * Recounts keys from raw and corrections within one log and returns those for which the rollup differs. The months of the keys are read, and
 * of them only the keys' projects. A rollup is ahead if it has more records, or a greater peak: a smaller number of events that count may
 * only mean that it lacks an amendment. Throws StoreError.
 */
export async function findDifferences(lane: Lane, { log, keys, secondsMax }: KeysToCompare): Promise<RollupDifference[]> {
  if (keys.length === 0) return []
  const days = [...new Set(keys.map(({ usageDate }) => usageDate))]
  const text = keys.map(({ projectId, usageDate, metric }) => row([projectId, usageDate, metric])).join('')
  const query = { ...differencesOfKeys, settings: { ...differencesOfKeys.settings, max_execution_time: secondsMax } }
  return lane.query(query, { log, keys: text, days })
}

const differencesOfKeys = defineQuery({
  name: 'rollup_differences_of_keys',
  sql: `
    WITH touched AS (
      SELECT project_id, usage_date, metric FROM format(TabSeparated, 'project_id String, usage_date Date, metric String', {keys: String})
    )
    SELECT
      project_id AS projectId, usage_date AS usageDate, metric, labels,
      max(raw_peak) AS peak,
      sum(raw_total) - sum(rollup_total) AS total,
      sum(raw_events) - sum(rollup_events) AS events,
      toUnixTimestamp64Milli(max(raw_last)) AS lastEventMs,
      sum(raw_corrections) - sum(rollup_corrections) AS corrections,
      sum(raw_voided) - sum(rollup_voided) AS voided,
      (sum(rollup_events) + sum(rollup_corrections) > sum(raw_events) + sum(raw_corrections)) OR (max(rollup_peak) > max(raw_peak)) AS rollupIsAhead
    FROM (
      SELECT project_id, usage_date, metric, labels,
        maxIf(value, correction_batch = '') AS raw_peak, sumIf(toDecimal256(value, 9), correction_batch = '') AS raw_total,
        toInt64(count()) AS raw_events, max(timestamp) AS raw_last,
        toInt64(countIf(correction_batch != '')) AS raw_corrections, toInt64(countIf(correction_batch != '')) AS raw_voided,
        toDecimal128(0, 9) AS rollup_peak, toDecimal256(0, 9) AS rollup_total, toInt64(0) AS rollup_events, toInt64(0) AS rollup_corrections, toInt64(0) AS rollup_voided
      FROM raw_usage_events_v1 FINAL
      WHERE log = {log: String} AND usage_date IN {days: Array(Date)} AND project_id IN (SELECT project_id FROM touched)
        AND (project_id, usage_date, metric) IN (SELECT project_id, usage_date, metric FROM touched)
      GROUP BY project_id, usage_date, metric, labels
      UNION ALL
      SELECT project_id, usage_date, metric, labels,
        toDecimal128(0, 9), sum(added_total), toInt64(0), toDateTime64(0, 3, 'UTC'), toInt64(count()), sum(added_voided),
        toDecimal128(0, 9), toDecimal256(0, 9), toInt64(0), toInt64(0), toInt64(0)
      FROM usage_corrections_v1 FINAL
      WHERE log = {log: String} AND usage_date IN {days: Array(Date)} AND project_id IN (SELECT project_id FROM touched)
        AND (project_id, usage_date, metric) IN (SELECT project_id, usage_date, metric FROM touched)
      GROUP BY project_id, usage_date, metric, labels
      UNION ALL
      SELECT project_id, usage_date, metric, labels,
        toDecimal128(0, 9), toDecimal256(0, 9), toInt64(0), toDateTime64(0, 3, 'UTC'), toInt64(0), toInt64(0),
        max(peak), sum(total), sum(events), sum(corrections), sum(voided)
      FROM project_usage_per_day_v1
      WHERE log = {log: String} AND usage_date IN {days: Array(Date)} AND (project_id, usage_date, metric) IN (SELECT project_id, usage_date, metric FROM touched)
      GROUP BY project_id, usage_date, metric, labels
    )
    GROUP BY project_id, usage_date, metric, labels
    HAVING sum(raw_total) != sum(rollup_total) OR sum(raw_events) != sum(rollup_events) OR max(raw_peak) != max(rollup_peak)
      OR sum(raw_corrections) != sum(rollup_corrections) OR sum(raw_voided) != sum(rollup_voided)`,
  params: z.object({ log: z.string(), keys: z.string(), days: z.array(z.string()) }),
  row: RollupDifference,
  // Rows of one identity and day are in one partition.
  settings: { do_not_merge_across_partitions_select_final: 1 },
})
