/**
 * What is kept of a project's day in a metric of the kinds `last` and `unique` (usage_states_per_day_v1), as SQL. Both states can be added
 * again without harm: a maximum taken twice is the same, and so is a set of texts.
 *
 * `last` is one number, so that the greatest is the latest sample: 64 bits of timestamp in ms, 64 of offset, 128 of value in billionths.
 * A maximum of tuples would not do: merging parts and FINAL take the maximum of each element.
 */

/** A condition for the metrics whose usage is computed from states. */
export const METRIC_OF_STATES = `metric IN (SELECT metric FROM metrics_v1 FINAL WHERE kind IN ('last', 'unique'))`

/** A condition for the metrics that count different texts. */
export const UNIQUE_METRIC = `metric IN (SELECT metric FROM metrics_v1 FINAL WHERE kind = 'unique')`

/** The state `last` of events, over rows of one project, day and metric with their columns timestamp, rank and value. Like the view of migration 065. */
export const LAST_OF_EVENTS =
  'max(bitShiftLeft(toUInt256(toUnixTimestamp64Milli(timestamp)), 192) + bitShiftLeft(toUInt256(bitNot(rank)), 128) + toUInt256(reinterpretAsInt128(value)))'

/** The state `distinct_texts` of events. The texts of other metrics are empty. */
export const TEXTS_OF_EVENTS = `uniqExactStateIf(text, text != '')`

/** The value in a state `last`, as Decimal(38, 9). */
export function valueOfLast(last: string): string {
  return `reinterpret(toInt128(bitAnd(${last}, toUInt256('340282366920938463463374607431768211455'))), 'Decimal(38, 9)')`
}
