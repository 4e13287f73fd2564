import { METRIC_NAMES } from '../metering/metrics.ts'

export interface SeededEvents {
  /** SQL of the project's id, from the number of an event. */
  readonly projectId: string
  readonly projects: number
  readonly from: string
  readonly days: number
}

/**
 * A statement that inserts some raw events directly; the views fill the rollup and the day changes as usual, so that audits find nothing to
 * report. Every project gets every metric on every day before any gets a second event: the events fill as many rollup rows as possible.
 */
export function insertRawEvents({ projectId, projects, from, days }: SeededEvents, first: number, count: number): string {
  const metrics = METRIC_NAMES.map((metric) => `'${metric}'`).join(', ')
  return `
    INSERT INTO raw_usage_events_v1 (project_id, event_id, usage_date, metric, timestamp, value, log, rank, received_at)
    SELECT
      ${projectId} AS project_id,
      toString(generateUUIDv4(number)) AS event_id,
      toDate('${from}') + intDiv(number, ${projects * METRIC_NAMES.length}) % ${days} AS usage_date,
      [${metrics}][intDiv(number, ${projects}) % ${METRIC_NAMES.length} + 1] AS metric,
      toDateTime64(usage_date, 3, 'UTC') + number % 86400 AS timestamp,
      toDecimal128(cityHash64(number) % 1000000000000, 9) / 1000 AS value,
      'seeded' AS log, bitNot(toUInt64(number)) AS rank, timestamp AS received_at
    FROM numbers(${first}, ${count})
    SETTINGS max_execution_time = 0, max_partitions_per_insert_block = 0, deduplicate_insert = 'disable', wait_for_part_commit_in_dependent_materialized_views = 1`
}
