import { UTCDate } from '@date-fns/utc'
import { addMonths, format } from 'date-fns'
import type { Period } from './period.ts'

/** A UTC calendar month as YYYY-MM, in which texts compare like months. */
export type Month = string

/** The month that the text names, or undefined. Years as ClickHouse's Date has them. */
export function parseMonth(text: string): Month | undefined {
  const match = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(text)
  const year = Number(match?.[1])
  return match !== null && year >= YEAR_MIN && year <= YEAR_MAX ? text : undefined
}

/** The month of a day, YYYY-MM-DD. */
export function monthOf(day: string): Month {
  return day.slice(0, 7)
}

export function monthAfter(month: Month): Month {
  return format(addMonths(new UTCDate(`${month}-01T00:00:00Z`), 1), 'yyyy-MM')
}

/** The first day of a month, as the store keeps months. */
function firstDayOf(month: Month): string {
  return `${month}-01`
}

/** All days of a month. */
export function periodOfMonth(month: Month): Period {
  const end = firstDayOf(monthAfter(month))
  const last = new Date(Date.parse(`${end}T00:00:00Z`) - MS_PER_DAY).toISOString().slice(0, 10)
  return { first: firstDayOf(month), last, end }
}

/** When a month is over, in ms since 1970. */
export function endOfMonthMs(month: Month): number {
  return Date.parse(`${firstDayOf(monthAfter(month))}T00:00:00Z`)
}

/** The months of a period, ascending. */
export function monthsOf({ first, last }: Period): Month[] {
  const months: Month[] = []
  for (let month = monthOf(first); month <= monthOf(last); month = monthAfter(month)) months.push(month)
  return months
}

/** Rows of days by their months, in the order in which these come first. The store keeps raw and rollup by months. */
export function groupByMonth<T extends { readonly usage_date: string }>(days: readonly T[]): Map<Month, T[]> {
  const months = new Map<Month, T[]>()
  for (const day of days) {
    const month = monthOf(day.usage_date)
    const known = months.get(month)
    if (known === undefined) months.set(month, [day])
    else known.push(day)
  }
  return months
}

const YEAR_MIN = 1970
const YEAR_MAX = 2148
const MS_PER_DAY = 86_400_000
