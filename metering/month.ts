import { UTCDate } from '@date-fns/utc'
import { addMonths } from 'date-fns/addMonths'
import { lastDayOfMonth } from 'date-fns/lastDayOfMonth'
import { lightFormat } from 'date-fns/lightFormat'
import { groupedBy } from './grouped-by.ts'
import type { Period } from './period.ts'
import { STORABLE_YEAR_MAX, STORABLE_YEAR_MIN } from './storable-days.ts'

/** A UTC calendar month as YYYY-MM. Such texts sort in the order of their months. */
export type Month = string

/** The text as a month of a storable year, or undefined if it is none. */
export function parseMonth(text: string): Month | undefined {
  const match = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(text)
  const year = Number(match?.[1])
  return match !== null && year >= STORABLE_YEAR_MIN && year <= STORABLE_YEAR_MAX ? text : undefined
}

/** The month of a day, YYYY-MM-DD. */
export function monthOf(day: string): Month {
  return day.slice(0, 7)
}

export function monthAfter(month: Month): Month {
  return lightFormat(addMonths(startOf(month), 1), 'yyyy-MM')
}

/** All days of a month. */
export function periodOfMonth(month: Month): Period {
  return { first: `${month}-01`, last: lightFormat(lastDayOfMonth(startOf(month)), 'yyyy-MM-dd'), end: `${monthAfter(month)}-01` }
}

/** The end of a month, which is the start of the next one, in ms since 1970. */
export function endOfMonthMs(month: Month): number {
  return startOf(monthAfter(month)).getTime()
}

/** A number that grows by 1 with each UTC month, for comparing instants in ms since 1970 without making texts. */
export function monthNumberOf(instantMs: number): number {
  const at = new Date(instantMs)
  return at.getUTCFullYear() * 12 + at.getUTCMonth()
}

/** How many months before the month of an instant it is; negative if it is after that. */
export function monthsAgo(month: Month, nowMs: number): number {
  return monthNumberOf(nowMs) - monthNumberOf(startOf(month).getTime())
}

/** The months of a period, ascending. */
export function monthsOf({ first, last }: Period): Month[] {
  const months: Month[] = []
  for (let month = monthOf(first); month <= monthOf(last); month = monthAfter(month)) months.push(month)
  return months
}

/** Groups rows of days by month, in the order in which the months first appear: raw and rollup are partitioned by month. */
export function groupByMonth<T extends { readonly usage_date: string }>(days: readonly T[]): Map<Month, T[]> {
  return groupedBy(days, ({ usage_date }) => monthOf(usage_date))
}

function startOf(month: Month): UTCDate {
  return new UTCDate(`${month}-01T00:00:00Z`)
}
