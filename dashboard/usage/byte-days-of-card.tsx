import { gbMonths } from '../numbers/gb-months.ts'
import { counted, exactWithUnit } from '../numbers/show-quantity.ts'
import type { ByteDays } from './figures.ts'

/** The second value of a peak: the sum of its days, with the days that it is the sum of, because a day without samples adds nothing. */
export function ByteDaysOfCard({ byteDays }: { byteDays: ByteDays }) {
  const { metric, unit, value, days_with_samples } = byteDays
  const shown = gbMonths(byteDays)
  return (
    <p class="byte-days">
      Sum of the days: <span data-byte-days={metric}>{exactWithUnit(value, unit)}</span> on {counted(days_with_samples, 'day')} with samples
      {shown === undefined ? null : <small>about {shown}</small>}
    </p>
  )
}
