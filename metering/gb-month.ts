import { differenceInCalendarDays } from 'date-fns/differenceInCalendarDays'
import { parseISO } from 'date-fns/parseISO'
import { type ExactDecimal, quotientOf } from './exact-decimal.ts'
import { monthOf, periodOfMonth } from './month.ts'
import type { Period } from './period.ts'

/** What "GB" can mean: 10^9 bytes, as disks and networks are sold, or 2^30 bytes, as memory is (GiB). */
export const GB_BYTES = ['1000000000', '1073741824'] as const
export type GbBytes = (typeof GB_BYTES)[number]
export const GB_BYTES_DEFAULT: GbBytes = '1000000000'

/** A rounded figure for people, with what it was computed from. It is never billed and never added up: byte-days are. */
export interface GbMonth {
  /** byteDays / gbBytes / daysOfMonth, rounded half up. */
  readonly shown: string
  readonly gbBytes: number
  readonly daysOfMonth: number
}

const SHOWN_FRACTION_DIGITS = 6

/** Undefined for another unit than bytes, and for days of more than one month: months have different numbers of days. */
export function gbMonthOf(byteDays: { readonly unit: string; readonly value: ExactDecimal }, { first, last }: Period, gbBytes: GbBytes): GbMonth | undefined {
  const month = monthOf(first)
  if (byteDays.unit !== 'byte' || monthOf(last) !== month) return undefined
  const whole = periodOfMonth(month)
  const daysOfMonth = differenceInCalendarDays(parseISO(whole.end), parseISO(whole.first))
  return { shown: quotientOf(byteDays.value, BigInt(gbBytes) * BigInt(daysOfMonth), SHOWN_FRACTION_DIGITS), gbBytes: Number(gbBytes), daysOfMonth }
}
