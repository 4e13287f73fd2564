/** A peak metric's value on the day `peak_day`, or 0 without usage on that day. */
export const VALUE_ON_PEAK_DAY = `if(has(days, assumeNotNull(peak_day)), values[indexOf(days, assumeNotNull(peak_day))], toDecimal256(0, 9))`

/**
 * The value of a project's statement line for one metric, as SQL columns: the project's share of its partner's month.
 * - `value`: for a cumulative metric the sum of the project's days. For a peak metric the project's value on `peak_day`, the day
 *   with the highest total over the partner's projects (usage/peak-day.ts), or 0 if it has no usage on that day. So the lines of a metric
 *   add up to exactly what the partner is billed.
 * - `own_max` and `own_max_day`: for a peak metric the project's own greatest day, the earliest on ties; otherwise NULL.
 *
 * It reads the columns `kind`, `peak_day` (NULL for a cumulative metric), and `days` with `values` as DAYS_OF_MONTH returns them.
 * Closed statements, open statements and exports all use it, so a file shows the same numbers as the statement.
 */
export const SHARE_OF_MONTH = `
        if(kind = 'peak', ${VALUE_ON_PEAK_DAY}, arrayReduce('sum', values)) AS value,
        if(kind = 'peak', arrayReduce('max', values), NULL) AS own_max,
        if(kind = 'peak', days[indexOf(values, arrayReduce('max', values))], NULL) AS own_max_day`

/**
 * Collects a project's days of a month in one metric: an array of (day, value, events) in ascending order. `indexOf` finds the first
 * match, so the order is what makes the earliest day win a tie.
 */
export const DAYS_OF_MONTH = 'arraySort(groupArray((usage_date, day_value, day_events)))'
