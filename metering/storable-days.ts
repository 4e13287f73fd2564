/**
 * The years of which a day can be billed. ClickHouse's Date holds 1970-01-01 to 2149-06-06 and silently wraps around outside of it:
 * an event of 2200-12-31 would be billed on 2021-07-26. 2148 is the last whole year, so the day and the month after the last day,
 * with which half-open periods end, and the grace of its closing still exist.
 */
export const STORABLE_YEAR_MIN = 1970
export const STORABLE_YEAR_MAX = 2148

/** The last UTC day that an event, a period and a statement can have. */
export const LAST_DAY = `${STORABLE_YEAR_MAX}-12-31`

/** The exclusive end of a period that ends with the last day. */
export const DAY_AFTER_LAST = `${STORABLE_YEAR_MAX + 1}-01-01`

/** The first instant after the last day, in ms since 1970. */
export const LAST_DAY_END_MS = Date.UTC(STORABLE_YEAR_MAX + 1, 0, 1)
