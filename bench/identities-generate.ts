import type { ClickHouse } from '../sql/clickhouse.ts'
import { readMigrations } from '../sql/migrate.ts'

/** Days of two years, so that raw has 24 months. */
const DAYS = 730
const PROJECTS = 5_000
const CHUNK_EVENTS = 1_000_000
/** The size of a batch that is spread over all months. */
export const SPREAD = 40_000

/**
 * Stores events as if they had arrived in two years, each day its share: with random ids, in the log http, through the views of raw.
 * Event n has offset n.
 */
export async function generateEvents({ work }: ClickHouse, events: number): Promise<void> {
  for (let first = 0; first < events; first += CHUNK_EVENTS) {
    const count = Math.min(CHUNK_EVENTS, events - first)
    await work.command(insertOf({ first, count, day: `toDate('2024-12-01') + intDiv(number * ${DAYS}, ${events})` }))
  }
}

/** Stores 40,000 events of all days as one batch; without the rollup, as a crash after raw's parts leaves it. */
export async function storeSpreadBatch({ work }: ClickHouse, { first, withRollup }: { first: number; withRollup: boolean }): Promise<void> {
  const statement = (await readMigrations()).flatMap(({ statements }) => statements).find((each) => each.includes(`VIEW IF NOT EXISTS ${ROLLUP_VIEW} `))
  if (statement === undefined) throw new Error(`No migration creates ${ROLLUP_VIEW}.`)
  if (!withRollup) await work.command(`DROP VIEW ${ROLLUP_VIEW}`)
  await work.command(insertOf({ first, count: SPREAD, day: `toDate('2024-12-01') + rand(3) % ${DAYS}` }))
  if (!withRollup) await work.command(statement)
}

const ROLLUP_VIEW = 'project_usage_per_day_mv_v1'

function insertOf({ first, count, day }: { first: number; count: number; day: string }): string {
  return `INSERT INTO raw_usage_events_v1 (project_id, event_id, usage_date, metric, timestamp, value, log, rank, received_at)
    SELECT concat('project-', toString(rand(1) % ${PROJECTS})), toString(generateUUIDv4()), ${day} AS usage_date, 'ai_tokens',
      toDateTime64(usage_date, 3, 'UTC') + rand(2) % 86400, 1, 'http', bitNot(toUInt64(number)), now64(3)
    FROM numbers(${first}, ${count}) SETTINGS async_insert = 0, max_partitions_per_insert_block = 0`
}
