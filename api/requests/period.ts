import type { z } from 'zod'
import type { PeriodQuery } from '../../contract/fields.ts'
import { type Month, parseMonth } from '../../metering/month.ts'
import { type Period, parsePeriod } from '../../metering/period.ts'
import { ApiError } from '../errors/errors.ts'

/** The period of a query. Throws ApiError with the reason. */
export function requirePeriod({ start_date, end_date }: z.output<typeof PeriodQuery>, nowMs: number): Period {
  const parsed = parsePeriod({ start: start_date, end: end_date }, nowMs)
  if (parsed.status === 'invalid') throw new ApiError('PERIOD_INVALID', parsed.problem)
  return parsed.period
}

/** The month of a path or query parameter. Throws ApiError. */
export function requireMonth(text: string): Month {
  const month = parseMonth(text)
  if (month === undefined) throw new ApiError('INVALID_REQUEST', `"${text}" is not a month as YYYY-MM.`)
  return month
}

export function periodAnswer({ first, last }: Period) {
  return { start: `${first}T00:00:00Z`, end: `${last}T23:59:59Z` }
}
