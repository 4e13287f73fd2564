import type { ClickHouse, Lane } from './clickhouse.ts'
import { classifyStoreError, isOverItsLimits, StoreError } from './errors.ts'
import type { Query } from './query.ts'
import type { Settings } from './session.ts'

/** What one question from outside may take of the store. Its time stands with the question itself (sql/query.ts). */
export interface ReadLimits {
  readonly rowsMax: number
}

/** Two or three of them at once fit beside the ingest of a small machine. */
const READ_BYTES_MAX = 2 * 1024 ** 3
/** An answer is held as a whole while it is checked. */
const ANSWER_ROWS_MAX = 1_000_000

/**
 * The same store, for questions from outside: a query that would take too much is refused, with the fault `too_large`, and not
 * `unavailable`: asked again it would be too large again. What closes months, audits and exports reads all there is, and goes
 * to the store itself.
 */
export function limitReads(clickhouse: ClickHouse, { rowsMax }: ReadLimits): ClickHouse {
  const settings: Settings = {
    max_rows_to_read: rowsMax,
    read_overflow_mode: 'throw',
    max_result_rows: ANSWER_ROWS_MAX,
    result_overflow_mode: 'throw',
    max_memory_usage: READ_BYTES_MAX,
  }
  return {
    ...clickhouse,
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
        throw tooLargeOr(thrown)
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
    throw tooLargeOr(thrown)
  }
}

function tooLargeOr(thrown: unknown): StoreError {
  const error = classifyStoreError(thrown)
  return isOverItsLimits(error) ? new StoreError('too_large', error.message, { code: error.code, cause: error }) : error
}
