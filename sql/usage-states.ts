/**
 * What is kept of a project's day in a metric of the kinds `last` and `unique` (usage_states_per_day_v1), as SQL. Both states can be added
 * again without harm: a maximum taken twice is the same, and so is a set of texts.
 *
 * `last` is one number, so that the greatest is the latest sample: 64 bits of timestamp in ms, 64 of offset, 128 of value in billionths.
 * A maximum of tuples would not do: merging parts and FINAL take the maximum of each element.
 */

/** A condition for the metrics whose usage is computed from states. */
export const METRIC_OF_STATES = metricOf("kind IN ('last', 'unique')")

/** A condition for the metrics that count different texts. */
export const UNIQUE_METRIC = metricOf("kind = 'unique'")

/** The store computes the list once for each query, however often the query has it. */
function metricOf(where: string): string {
  return `has((SELECT groupArray(metric) FROM metrics_v1 FINAL WHERE ${where}), metric)`
}

/** The state `last` of events, over rows of one project, day and metric with their columns timestamp, rank and value. */
export const LAST_OF_EVENTS =
  'max(bitShiftLeft(toUInt256(toUnixTimestamp64Milli(timestamp)), 192) + bitShiftLeft(toUInt256(bitNot(rank)), 128) + toUInt256(reinterpretAsInt128(value)))'

/** The state `distinct_texts` of events. The texts of other metrics are empty. */
export const TEXTS_OF_EVENTS = `uniqExactStateIf(text, text != '')`

/** The value in a state `last`, as Decimal(38, 9). */
export function valueOfLast(last: string): string {
  return `reinterpret(toInt128(bitAnd(${last}, toUInt256('340282366920938463463374607431768211455'))), 'Decimal(38, 9)')`
}

/** The columns of `statesOfRaw`, for an INSERT into usage_states_per_day_v1 or its copy. */
export const STATE_COLUMNS = '(project_id, usage_date, metric, labels, last, distinct_texts)'

/**
 * Selects the states of the events of raw that meet a condition. An event of a batch that replaces a window has none: it does not count before
 * its batch is closed, and then its day has corrections, so it is folded from raw. What is there already stays the same when they are added,
 * so anyone may add them, at any time. `metrics` is a condition for the metrics of states, by default those of the catalogue of the same server.
 */
export function statesOfRaw(where: string, { final = '', metrics = METRIC_OF_STATES }: { final?: 'FINAL' | ''; metrics?: string } = {}): string {
  return `SELECT project_id, usage_date, metric, labels, ${LAST_OF_EVENTS}, ${TEXTS_OF_EVENTS}
        FROM raw_usage_events_v1 ${final}
        WHERE ${where} AND ${metrics} AND correction_batch = ''
        GROUP BY project_id, usage_date, metric, labels`
}
