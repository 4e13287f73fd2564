import { METRIC_NAMES } from '../../metering/metrics.ts'

/**
 * An SQL condition for the metrics of the catalogue. Usage of a metric that was taken out of it stays stored, and no answer has a field for
 * it: without this condition each answer that meets it would fail. No bill loses it, because closing a month with such usage fails
 * until the metric is in the catalogue again (statements/write-lines.ts).
 */
export const KNOWN_METRIC = `metric IN (${METRIC_NAMES.map((name) => `'${name}'`).join(', ')})`
