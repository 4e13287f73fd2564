import type { AnswerOf } from '../../contract/operation.ts'
import type { GET_PROJECT_USAGE } from '../../contract/usage.ts'
import type { AsText } from '../calls/numbers-as-text.ts'
import { allDigits, counted, plural } from './show-quantity.ts'

type ByteDays = NonNullable<AsText<AnswerOf<typeof GET_PROJECT_USAGE>>['byte_days']>[number]

/** Rounded, with what it was computed from; undefined for a metric in another unit than bytes, and for days of several months. */
export function gbMonths({ gb_month }: Pick<ByteDays, 'gb_month'>): string | undefined {
  if (gb_month === null) return undefined
  const { shown, gb_bytes, days_of_month } = gb_month
  return `${allDigits(shown)} ${plural('GB-month', shown)} (a month of ${counted(days_of_month, 'day')}, a GB of ${counted(gb_bytes, 'byte')})`
}
