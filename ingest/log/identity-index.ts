import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { Logger } from '../../metering/logger.ts'
import type { ClickHouse, Lane } from '../../sql/clickhouse.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { PROJECT_HASH_SQL } from '../../sql/shards.ts'
import { IDENTITY_HASH_SQL } from './identity-hash.ts'
import { countEventsInDoubt, type LogRange } from './in-doubt-range.ts'

/**
 * The index of identities (identity_hashes_v1) is trusted when it says that an identity is absent, so it must never lack one that
 * raw or the corrections have. A view on each adds the identities of every insert, of any version of this code. Three cases are left:
 * 1. A crash between the part of raw and that of the index. Only the in-doubt range of a log can be affected; its next owner calls
 *    indexRange before it looks anything up.
 * 2. Events that were stored before there was the view: completeIndex adds them, and until then nobody trusts the index.
 * 3. Rows that were lost by hand or by restoring a part of a backup: isIndexComplete counts the rows of both tables, of which none is
 *    read. If the index is behind by more than the events that are in doubt, completeIndex runs again. Throws StoreError.
 */
export async function isIndexComplete({ reads }: Pick<ClickHouse, 'reads'>): Promise<boolean> {
  return (await isMarked(reads)) && (await countBehind(reads)) === 0
}

/**
 * By how many rows the index is behind raw, besides the events that are in doubt; 0 while it is being completed. No row of either
 * table is read. Throws StoreError.
 */
export async function countMissingIdentities({ reads }: Pick<ClickHouse, 'reads'>): Promise<number> {
  return (await isMarked(reads)) ? countBehind(reads) : 0
}

async function countBehind(reads: Lane): Promise<number> {
  let missing = 0
  for (let attempts = 0; attempts < COUNT_ATTEMPTS_MAX; attempts += 1) {
    if (attempts > 0) await sleep(COUNT_RETRY_MS)
    // A batch may have begun or ended while the rows were counted, so the events in doubt are counted before and after.
    const inDoubt = await countEventsInDoubt(reads)
    const events = await countStored(reads)
    const { identities } = await queryOne(reads, indexRows, {})
    missing = events - identities - inDoubt - (await countEventsInDoubt(reads))
    if (missing <= 0) return 0
  }
  return missing
}

/** From its next acquisition of a lease on, a process does not trust the index before it has added what is missing. Throws StoreError. */
export async function requestIndexing({ work }: Pick<ClickHouse, 'work'>): Promise<void> {
  await work.command('TRUNCATE TABLE identity_hash_months_v1')
}

async function isMarked(reads: Lane): Promise<boolean> {
  return (await reads.query(completeMark, {})).length > 0
}

/** The number of rows in raw and of corrections. No row is read for it. Throws StoreError. */
export async function countStored(reads: Lane): Promise<number> {
  const { events, corrections } = await queryOne(reads, storedRows, {})
  return events + corrections
}

/**
 * Adds the identities of a range that the index lacks. Idempotent, and harmless if it arrives late. Call it after the lease was
 * acquired, before anything is looked up or a filter is filled. Throws StoreError.
 */
export async function indexRange(lane: Lane, log: string, { first, through }: LogRange): Promise<void> {
  await lane.execute(indexMissingOfRange, { log, first, through })
}

/**
 * Adds the identities of all events that the index lacks, month by month, and then marks it as complete. It may be killed and repeated,
 * and run in several processes: a month that is done is not read again. Throws StoreError.
 */
export async function completeIndex(clickhouse: Pick<ClickHouse, 'reads' | 'work'>, logger: Logger, signal: AbortSignal): Promise<void> {
  const { reads, work } = clickhouse
  await waitForEarlierInserts(reads, signal)
  if (await isMarked(reads)) await requestIndexing(clickhouse)
  const months = await reads.query(monthsToIndex, {})
  const events = months.reduce((sum, month) => sum + month.events, 0)
  if (events > 0) logger.info({ events, months: months.length }, 'indexing the identities of stored events; until then look-ups are slower')
  let indexed = 0
  for (const { month, events: eventsOfMonth } of months) {
    const chunks = Math.ceil(eventsOfMonth / CHUNK_EVENTS_MAX)
    for (let chunk = 0; chunk < chunks; chunk += 1) {
      if (signal.aborted) return
      await work.execute(indexMissingOfMonth, { month, chunk, chunks })
    }
    await mark(work, month)
    indexed += eventsOfMonth
    logger.info({ month, indexed, events }, 'the identities of a month are indexed')
  }
  if (!signal.aborted) await mark(work, ALL_MONTHS)
}

/**
 * An insert that began before the view was created does not run through it. It must have ended before the months are read. Both times are
 * in whole seconds: that of the view up to 1 s too early, the start of the insert up to 1 s too late.
 */
async function waitForEarlierInserts(reads: Lane, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && (await queryOne(reads, earlierInserts, {})).running > 0) await sleep(COUNT_RETRY_MS, undefined, { ref: false })
}

async function mark(lane: Lane, month: number): Promise<void> {
  await lane.insert({ table: 'identity_hash_months_v1', columns: ['month'], text: `${month}\n` })
}

const ALL_MONTHS = 0
const COUNT_ATTEMPTS_MAX = 5
const COUNT_RETRY_MS = 200
/** Limits the memory for the hashes that are there already: about 50 bytes each. */
const CHUNK_EVENTS_MAX = 50_000_000

const completeMark = defineQuery({
  name: 'identity_index_complete',
  sql: `SELECT month FROM identity_hash_months_v1 WHERE month = ${ALL_MONTHS} LIMIT 1`,
  params: z.object({}),
  row: z.object({ month: z.number() }),
})

const storedRows = defineQuery({
  name: 'stored_rows',
  sql: 'SELECT (SELECT count() FROM raw_usage_events_v1) AS events, (SELECT count() FROM usage_corrections_v1) AS corrections',
  params: z.object({}),
  row: z.object({ events: z.coerce.number(), corrections: z.coerce.number() }),
})

const indexRows = defineQuery({
  name: 'identity_index_rows',
  sql: 'SELECT count() AS identities FROM identity_hashes_v1',
  params: z.object({}),
  row: z.object({ identities: z.coerce.number() }),
})

const monthsToIndex = defineQuery({
  name: 'months_to_index',
  sql: `SELECT toUInt32(partition) AS month, sum(rows) AS events FROM system.parts
        WHERE active AND database = currentDatabase() AND table IN ('raw_usage_events_v1', 'usage_corrections_v1') AND month NOT IN (SELECT month FROM identity_hash_months_v1)
        GROUP BY month ORDER BY month`,
  params: z.object({}),
  row: z.object({ month: z.number(), events: z.coerce.number() }),
})

const earlierInserts = defineQuery({
  name: 'inserts_before_identity_index',
  sql: `SELECT count() AS running FROM system.processes
        WHERE current_database = currentDatabase() AND query_kind = 'Insert'
          AND now() - toIntervalSecond(toUInt64(elapsed)) <= (
            SELECT max(metadata_modification_time) + INTERVAL 2 SECOND FROM system.tables WHERE database = currentDatabase() AND name = 'identity_hashes_mv_v1')`,
  params: z.object({}),
  row: z.object({ running: z.coerce.number() }),
})

const indexMissingOfMonth = defineStatement({
  name: 'index_missing_of_month',
  sql: `INSERT INTO identity_hashes_v1 (project, hash, month)
        SELECT ${PROJECT_HASH_SQL} AS project, ${IDENTITY_HASH_SQL} AS hash, toStartOfMonth(usage_date) AS month
        FROM (
          SELECT project_id, event_id, usage_date FROM raw_usage_events_v1 WHERE toYYYYMM(usage_date) = {month: UInt64}
          UNION ALL SELECT project_id, event_id, usage_date FROM usage_corrections_v1 WHERE toYYYYMM(usage_date) = {month: UInt64}
        )
        WHERE hash % {chunks: UInt64} = {chunk: UInt64}
          AND (project, hash) NOT IN (SELECT project, hash FROM identity_hashes_v1 WHERE toYYYYMM(month) = {month: UInt64} AND hash % {chunks: UInt64} = {chunk: UInt64})`,
  params: z.object({ month: z.number(), chunk: z.number(), chunks: z.number() }),
  settings: { max_execution_time: 3600 },
})

/** Whole rows are compared: of two identities with one hash, each must be found in its own month, and by the filter of its partition. */
const RANGE = 'log = {log: String} AND rank >= bitNot({through: UInt64}) AND rank <= bitNot({first: UInt64})'

const indexMissingOfRange = defineStatement({
  name: 'index_missing_of_range',
  sql: `INSERT INTO identity_hashes_v1 (project, hash, month)
        WITH stored AS (
          SELECT ${PROJECT_HASH_SQL} AS project, ${IDENTITY_HASH_SQL} AS hash, toStartOfMonth(usage_date) AS month FROM (
            SELECT project_id, event_id, usage_date FROM raw_usage_events_v1 WHERE ${RANGE}
            UNION ALL SELECT project_id, event_id, usage_date FROM usage_corrections_v1 WHERE ${RANGE}
          )
        )
        SELECT project, hash, month FROM stored
        WHERE (project, hash, month) NOT IN (SELECT project, hash, month FROM identity_hashes_v1 WHERE hash IN (SELECT hash FROM stored))`,
  params: z.object({ log: z.string(), first: z.number(), through: z.number() }),
  settings: { max_execution_time: 600 },
})
