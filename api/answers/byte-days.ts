import type { z } from 'zod'
import type { ByteDaysOfMetrics } from '../../contract/byte-days.ts'
import { type ByteDays, unitOfDays } from '../../metering/byte-days.ts'
import { type GbBytes, gbMonthOf } from '../../metering/gb-month.ts'
import type { Period } from '../../metering/period.ts'
import { NumberToken } from '../../metering/quantity.ts'

type Answer = NonNullable<z.output<typeof ByteDaysOfMetrics>>

/** The sums of the days of the peak metrics, each with what it is in GB-months for people. */
export function byteDaysAnswer(sums: readonly ByteDays[], period: Period, gbBytes: GbBytes): Answer {
  return sums.map((sum) => {
    const gbMonth = gbMonthOf(sum, period, gbBytes)
    return {
      metric: sum.metric,
      unit: unitOfDays(sum.unit),
      value: new NumberToken(sum.value),
      days_with_samples: sum.daysWithSamples,
      gb_month: gbMonth === undefined ? null : { shown: gbMonth.shown, gb_bytes: gbMonth.gbBytes, days_of_month: gbMonth.daysOfMonth },
    }
  })
}
