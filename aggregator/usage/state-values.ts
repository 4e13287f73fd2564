import { UNIQUE_METRIC, valueOfLast } from '../../sql/usage-states.ts'

/**
 * The span whose value the days add up to: all days that are read, each calendar month of them, or each day alone. Neither the latest sample
 * nor different texts add up, so a day counts by how much it changes the value of the span up to it:
 * - last: the value of the day less that of the day before with events. The first days of a span add up to the value of the latest of them.
 * - unique: the number of texts that no earlier day of the span has.
 */
export type AddsTo = 'span' | 'month' | 'day'

/**
 * The values of states, as SQL after FROM: rows with project_id, usage_date, metric, `day_value`, `added` (AddsTo) and `day_events`. `states` is
 * SQL after FROM, with project_id, usage_date, metric, the columns of usage_states_per_day_v1, and `events`.
 */
export function valuesOfStates(states: string, adds: AddsTo): string {
  const span = { span: '', month: ', toStartOfMonth(usage_date)', day: ', usage_date' }[adds]
  const upToDay = `OVER (PARTITION BY project_id, metric${span} ORDER BY usage_date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)`
  return `(
          SELECT project_id, usage_date, metric, day_value, day_events, up_to_day - lagInFrame(up_to_day, 1, toDecimal256(0, 9)) ${upToDay} AS added
          FROM (
            SELECT project_id, usage_date, metric, day_events,
              if(is_unique, toDecimal128(finalizeAggregation(texts), 9), value) AS day_value,
              if(is_unique, toDecimal256(uniqExactMerge(texts) ${upToDay}, 9), toDecimal256(value, 9)) AS up_to_day
            FROM (
              SELECT project_id, usage_date, metric, ${UNIQUE_METRIC} AS is_unique, ${valueOfLast('max(last)')} AS value, uniqExactMergeState(distinct_texts) AS texts, sum(events) AS day_events
              FROM ${states}
              GROUP BY project_id, usage_date, metric
            )
          )
        )`
}
