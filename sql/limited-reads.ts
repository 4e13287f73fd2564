import type { ClickHouse, Lane } from './clickhouse.ts'
import { classifyLimitedRead } from './errors.ts'
import type { Query } from './query.ts'
import type { Settings } from './session.ts'

const IS_LIMITED: unique symbol = Symbol('limited')

/** The store with limits for API callers. It has its own type, so that the compiler rejects the unlimited store in its place. */
export interface LimitedReads extends ClickHouse {
  readonly [IS_LIMITED]: true
}

/** The limits of one query of an API caller. Its time limit is a setting of the query itself (sql/query.ts). */
export interface ReadLimits {
  readonly rowsMax: number
}

/** Two or three such queries at the same time leave enough memory for the ingest on a small machine. */
export const READ_BYTES_MAX = 2 * 1024 ** 3
/** A result is in memory as a whole while its rows are validated. */
const ANSWER_ROWS_MAX = 1_000_000

/**
 * The same store, for the queries of API callers. A query that would read or return too much throws `too_large`, and a retry would
 * as well. A query that takes too long, or more memory than there is, throws `exhausted`. Closings, audits and exports read
 * all events of a period and use the store without limits.
 */
export function limitReads(clickhouse: ClickHouse, { rowsMax }: ReadLimits): LimitedReads {
  const settings: Settings = {
    max_rows_to_read: rowsMax,
    read_overflow_mode: 'throw',
    max_result_rows: ANSWER_ROWS_MAX,
    result_overflow_mode: 'throw',
    max_memory_usage: READ_BYTES_MAX,
  }
  return {
    ...clickhouse,
    ...(clickhouse.shards && { shards: clickhouse.shards.map((shard) => limitReads(shard, { rowsMax })) }),
    [IS_LIMITED]: true,
    reads: limitedLane(clickhouse.reads, settings),
    registry: limitedLane(clickhouse.registry, settings),
    work: limitedLane(clickhouse.work, settings),
    openLane: async () => limitedLane(await clickhouse.openLane(), settings),
  }
}

function limitedLane(lane: Lane, settings: Settings): Lane {
  const limited = <Q extends Pick<Query<never, never>, 'settings'>>(query: Q): Q => ({ ...query, settings: { ...query.settings, ...settings } })
  return {
    ...lane,
    query: async (query, params) => {
      try {
        return await lane.query(limited(query), params)
      } catch (thrown) {
        throw classifyLimitedRead(thrown)
      }
    },
    lines: (query, params) => classifiedLimited(lane.lines(limited(query), params)),
    execute: async (statement, params, tag) => {
      try {
        await lane.execute(limited(statement), params, tag)
      } catch (thrown) {
        throw classifyLimitedRead(thrown)
      }
    },
    bytes: (query, params, format) => classifiedLimited(lane.bytes(limited(query), params, format)),
  }
}

async function* classifiedLimited<T>(chunks: AsyncIterable<T>): AsyncIterable<T> {
  try {
    yield* chunks
  } catch (thrown) {
    throw classifyLimitedRead(thrown)
  }
}
