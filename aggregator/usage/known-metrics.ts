/**
 * The catalogue of metrics as SQL, for what the store computes itself. No process caches it, so that a metric is added up in the same way by
 * all processes from its definition on. It has at most 1,000 rows, and costs a query some ms: answers use with-kinds.ts instead.
 */

/**
 * A condition for the metrics of the catalogue. An earlier version may have counted events of a metric that is not in it: no answer knows
 * how such usage adds up. No bill loses it, because closing a month with such usage fails until the metric is defined
 * (statements/write-lines.ts).
 */
export const KNOWN_METRIC = 'metric IN (SELECT metric FROM metrics_v1)'

/**
 * A condition for the metrics of which the greatest value counts; the values of all others are added up. GLOBAL: with several shards the list is
 * read once and sent to them; in a condition after WHERE the store does so without it. On one server it changes nothing.
 */
export const PEAK_METRIC = `metric GLOBAL IN (SELECT metric FROM metrics_v1 FINAL WHERE kind = 'peak')`

/** Kind and unit of a metric; empty for one that is not in the catalogue. */
export const KIND_OF_METRIC = columnOfCatalogue('kind')
export const UNIT_OF_METRIC = columnOfCatalogue('unit')

function columnOfCatalogue(column: 'kind' | 'unit'): string {
  return `(SELECT CAST((groupArray(metric), groupArray(toString(${column}))), 'Map(String, String)') FROM metrics_v1 FINAL)[toString(metric)]`
}
