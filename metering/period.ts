import { UTCDate } from '@date-fns/utc'
import { addDays } from 'date-fns/addDays'
import { differenceInCalendarDays } from 'date-fns/differenceInCalendarDays'
import { isValid } from 'date-fns/isValid'
import { lightFormat } from 'date-fns/lightFormat'
import { parseISO } from 'date-fns/parseISO'
import { subDays } from 'date-fns/subDays'
import { LAST_DAY, STORABLE_YEAR_MAX, STORABLE_YEAR_MIN } from './storable-days.ts'

/** A range of UTC calendar days. `first` and `last` are both inside it; `end` is the day after `last`, for `>= first AND < end`. */
export interface Period {
  readonly first: string
  readonly last: string
  readonly end: string
}

export type PeriodOutcome = { status: 'valid'; period: Period } | { status: 'invalid'; problem: string }

const DAY_RULE = `is not a calendar day as YYYY-MM-DD, from ${STORABLE_YEAR_MIN}-01-01 to ${LAST_DAY}.`
export const PERIOD_DAYS_MAX = 366
const PERIOD_DAYS_BEFORE_END = 7

/**
 * Parses the period of a request. Both days are calendar days as YYYY-MM-DD, and both are inside the period.
 * Defaults (partner API documentation): the end is today, the start is 7 days before the end.
 */
export function parsePeriod(request: { start?: string | undefined; end?: string | undefined }, nowMs: number): PeriodOutcome {
  const end = request.end === undefined ? startOfUtcDay(nowMs) : parseDay(request.end)
  if (end === undefined) return invalid(`end_date "${request.end}" ${DAY_RULE}`)
  const start = request.start === undefined ? subDays(end, PERIOD_DAYS_BEFORE_END) : parseDay(request.start)
  if (start === undefined) return invalid(`start_date "${request.start}" ${DAY_RULE}`)
  const days = differenceInCalendarDays(end, start) + 1
  if (days < 1) return invalid(`start_date ${formatDay(start)} is after end_date ${formatDay(end)}.`)
  if (days > PERIOD_DAYS_MAX) return invalid(`A period has at most ${PERIOD_DAYS_MAX} days; this one has ${days}. Request it in parts.`)
  return { status: 'valid', period: { first: formatDay(start), last: formatDay(end), end: formatDay(addDays(end, 1)) } }
}

/** The day after `day`. Throws RangeError if `day` does not exist in the calendar. */
export function dayAfter(day: string): string {
  const parsed = parseDay(day)
  if (parsed === undefined) throw new RangeError(`"${day}" is not a calendar day as YYYY-MM-DD.`)
  return formatDay(addDays(parsed, 1))
}

/** Whether the text is an existing calendar day of a storable year as YYYY-MM-DD. */
export function isDay(text: string): boolean {
  return parseDay(text) !== undefined
}

function parseDay(text: string): UTCDate | undefined {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return undefined
  const day = parseISO(`${text}T00:00:00Z`)
  const year = Number(text.slice(0, 4))
  return isValid(day) && year >= STORABLE_YEAR_MIN && year <= STORABLE_YEAR_MAX ? new UTCDate(day.getTime()) : undefined
}

function startOfUtcDay(nowMs: number): UTCDate {
  const now = new UTCDate(nowMs)
  return new UTCDate(now.getFullYear(), now.getMonth(), now.getDate())
}

function formatDay(day: UTCDate): string {
  return lightFormat(day, 'yyyy-MM-dd')
}

function invalid(problem: string): PeriodOutcome {
  return { status: 'invalid', problem }
}
