import { UTCDate } from '@date-fns/utc'
import { addDays, differenceInCalendarDays, format, isValid, parseISO, subDays } from 'date-fns'

/** A span of UTC calendar days. `first` and `last` are both inside it; `end` is the day after, for `>= first AND < end`. */
export interface Period {
  readonly first: string
  readonly last: string
  readonly end: string
}

export type PeriodOutcome = { status: 'valid'; period: Period } | { status: 'invalid'; problem: string }

export const PERIOD_DAYS_MAX = 366
const PERIOD_DAYS_BEFORE_END = 7
/** ClickHouse's Date wraps silently outside 1970-2149; a day beyond these would bill another year. */
const YEAR_MIN = 1970
const YEAR_MAX = 2148

/**
 * The period a caller asks for. Both days are calendar days as YYYY-MM-DD, both are inside the period.
 * Defaults (partner API documentation): the end is today, the start 7 days before the end.
 */
export function parsePeriod(asked: { start?: string | undefined; end?: string | undefined }, nowMs: number): PeriodOutcome {
  const end = asked.end === undefined ? startOfUtcDay(nowMs) : parseDay(asked.end)
  if (end === undefined) return invalid(`end_date "${asked.end}" is not a calendar day as YYYY-MM-DD.`)
  const start = asked.start === undefined ? subDays(end, PERIOD_DAYS_BEFORE_END) : parseDay(asked.start)
  if (start === undefined) return invalid(`start_date "${asked.start}" is not a calendar day as YYYY-MM-DD.`)
  const days = differenceInCalendarDays(end, start) + 1
  if (days < 1) return invalid(`start_date ${formatDay(start)} is after end_date ${formatDay(end)}.`)
  if (days > PERIOD_DAYS_MAX) return invalid(`A period has at most ${PERIOD_DAYS_MAX} days; this one has ${days}. Ask for it in parts.`)
  return { status: 'valid', period: { first: formatDay(start), last: formatDay(end), end: formatDay(addDays(end, 1)) } }
}

/** The day after a day that exists. Throws RangeError for one that does not. */
export function dayAfter(day: string): string {
  const parsed = parseDay(day)
  if (parsed === undefined) throw new RangeError(`"${day}" is not a day.`)
  return formatDay(addDays(parsed, 1))
}

/** Whether the text is a calendar day that exists, as YYYY-MM-DD. */
export function isDay(text: string): boolean {
  return parseDay(text) !== undefined
}

function parseDay(text: string): UTCDate | undefined {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return undefined
  const day = parseISO(`${text}T00:00:00Z`)
  const year = Number(text.slice(0, 4))
  return isValid(day) && year >= YEAR_MIN && year <= YEAR_MAX ? new UTCDate(day.getTime()) : undefined
}

function startOfUtcDay(nowMs: number): UTCDate {
  const now = new UTCDate(nowMs)
  return new UTCDate(now.getFullYear(), now.getMonth(), now.getDate())
}

function formatDay(day: UTCDate): string {
  return format(day, 'yyyy-MM-dd')
}

function invalid(problem: string): PeriodOutcome {
  return { status: 'invalid', problem }
}
