import type { AnswerOf } from '../../contract/operation.ts'
import type { GET_PROJECT_USAGE } from '../../contract/usage.ts'
import type { AsText } from '../calls/numbers-as-text.ts'
import { allDigits, counted, plural } from './show-quantity.ts'

type ByteDays = NonNullable<AsText<AnswerOf<typeof GET_PROJECT_USAGE>>['byte_days']>[number]

const POWERS: ReadonlyMap<string, string> = new Map([
  ['1000000000', '10⁹'],
  ['1073741824', '2³⁰'],
])

/** Rounded, with what it was computed from; undefined for a metric in another unit than bytes, and for days of several months. */
export function gbMonths({ gb_month }: Pick<ByteDays, 'gb_month'>): string | undefined {
  if (gb_month === null) return undefined
  const { shown, gb_bytes, days_of_month } = gb_month
  return `${allDigits(shown)} ${plural('GB-month', shown)} (${counted(days_of_month, 'day')}, a GB of ${POWERS.get(gb_bytes) ?? gb_bytes} bytes)`
}
