import { PEAK_METRIC } from './known-metrics.ts'

/**
 * The value of a project in a metric, as SQL over grouped rows: the greatest sample of a peak metric, the sum of any other. The
 * rows of a group must be of one project and one metric, of a day or of a longer span: a
 * partnership's peak adds up its projects day by day first, and only then takes the greatest day.
 *
 * Usage, open statements and exports read the rollup; closed statements recount raw. Both forms return Decimal(76, 9) and must agree to
 * the last digit, otherwise a partner is billed another number than it was shown. The auditors in aggregator/audits do not use these
 * fragments, because they check them.
 */
export const PROJECT_VALUE_FROM_ROLLUP = `if(${PEAK_METRIC}, toDecimal256(max(peak), 9), sum(total))`

/** The same from the events that count (effective-usage.ts). */
export const PROJECT_VALUE_FROM_EVENTS = `if(${PEAK_METRIC}, toDecimal256(max(value), 9), sum(toDecimal256(value, 9)))`

/** The same from those of these events that meet an SQL condition. */
export function projectValueFromEventsIf(condition: string): string {
  return `if(${PEAK_METRIC}, toDecimal256(maxIf(value, ${condition}), 9), sumIf(toDecimal256(value, 9), ${condition}))`
}
