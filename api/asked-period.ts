import type { z } from 'zod'
import { type Period, parsePeriod } from '../metering/period.ts'
import { ApiError } from './errors.ts'
import type { PeriodQuery } from './schemas.ts'

/** The period of a query. Throws ApiError, with what is wrong. */
export function requirePeriod({ start_date, end_date }: z.output<typeof PeriodQuery>, nowMs: number): Period {
  const parsed = parsePeriod({ start: start_date, end: end_date }, nowMs)
  if (parsed.status === 'invalid') throw new ApiError('PERIOD_INVALID', parsed.problem)
  return parsed.period
}

export function periodAnswer({ first, last }: Period) {
  return { start: `${first}T00:00:00Z`, end: `${last}T23:59:59Z` }
}
