/**
 * The state of each day that has usage, as the start of a query to which conditions are added: `changes` is how often something of the
 * day was stored, and `is_materialized` is 1 while the day's rows in partnership_usage_per_day_v1 were computed at that number.
 *
 * The refresh, the readers and the audits must agree on it: a day that readers take from the materialized rows and the audit skips would
 * be billed without ever being checked. Therefore the auditors share this fragment; but they compute the values of the rows independently.
 */
export const DAY_STATES = 'SELECT usage_date, changes, kept = changes AS is_materialized FROM usage_days_v1'
