import type { ClickHouse, Lane } from './clickhouse.ts'
import { classifyLimitedRead } from './errors.ts'
import type { Query } from './query.ts'
import type { Settings } from './session.ts'

const IS_LIMITED: unique symbol = Symbol('limited')

/** The store as callers other than operators may read it. A type of its own, so that the compiler refuses the unlimited one in its place. */
export interface LimitedReads extends ClickHouse {
  readonly [IS_LIMITED]: true
}

/** What one question from outside may take of the store. Its time stands with the question itself (sql/query.ts). */
export interface ReadLimits {
  readonly rowsMax: number
}

/** Two or three of them at once fit beside the ingest of a small machine. */
const READ_BYTES_MAX = 2 * 1024 ** 3
/** An answer is held as a whole while it is checked. */
const ANSWER_ROWS_MAX = 1_000_000

/**
 * The same store, for questions from outside. One that would read or answer too much is refused as `too_large`: asked again it
 * would be too large again. One that takes too long, or more memory than there is, is `exhausted`. What closes months, audits
 * and exports reads all there is, and goes to the store itself.
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
    [IS_LIMITED]: true,
    reads: limitedLane(clickhouse.reads, settings),
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
    lines: (query, params) => refusing(lane.lines(limited(query), params)),
    bytes: (query, params, format) => refusing(lane.bytes(limited(query), params, format)),
  }
}

async function* refusing<T>(pieces: AsyncIterable<T>): AsyncIterable<T> {
  try {
    yield* pieces
  } catch (thrown) {
    throw classifyLimitedRead(thrown)
  }
}
