import { parseMonth, periodOfMonth } from '../metering/month.ts'
import { usageError } from './errors.ts'

/** The options of a command that reads usage of a period. */
export interface GivenPeriod {
  readonly month?: string | undefined
  readonly from?: string | undefined
  readonly to?: string | undefined
}

/** The period for a query; whether the days exist is decided by the service. Throws CliError. */
export function datesOf({ month, from, to }: GivenPeriod): { start_date?: string | undefined; end_date?: string | undefined } {
  if (month === undefined) return { start_date: from, end_date: to }
  if (from !== undefined || to !== undefined) throw usageError('Give a month, or a first and a last day, not both.')
  const parsed = parseMonth(month)
  if (parsed === undefined) throw usageError(`--month "${month}" is not a month as YYYY-MM.`)
  const { first, last } = periodOfMonth(parsed)
  return { start_date: first, end_date: last }
}

/** A note about a period of which nothing can have happened yet, where zeros would look like usage; undefined for others. */
export function noteOfFuture({ start }: { readonly start: string }, nowMs = Date.now()): string | undefined {
  return Date.parse(start) > nowMs ? `This period has not begun: it begins on ${start.slice(0, 10)} (UTC), so there is no usage yet.` : undefined
}
