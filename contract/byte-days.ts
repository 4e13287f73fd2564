import { z } from 'zod'
import { GB_BYTES, GB_BYTES_DEFAULT } from '../metering/gb-month.ts'
import { choice } from './choice.ts'
import { ExactNumber } from './fields.ts'

/** How many bytes a GB of `gb_month` has: for people, so that it changes no other figure. */
export const GbBytesQuery = {
  gb_bytes: choice(GB_BYTES, { shown: GB_BYTES })
    .default(GB_BYTES_DEFAULT)
    .meta({ description: 'With `byte_days`: how many bytes a GB of `gb_month` has, 10^9 or 2^30. Default: 10^9.' }),
}

const GbMonth = z
  .object({
    shown: z.string().meta({ description: 'value / gb_bytes / days_of_month, rounded to 6 fraction digits. Never add these up, and never bill them.' }),
    gb_bytes: z.number().int(),
    days_of_month: z.number().int(),
  })
  .nullable()
  .meta({ description: 'The same for people, of days of one calendar month. Null for a metric in another unit than bytes, and for days of several months.' })

/** One element for each peak metric: the documented ones, and the others with samples. */
export const ByteDaysOfMetrics = z
  .array(
    z.object({
      metric: z.string(),
      unit: z.string().meta({ description: 'Of the value: `byte-day`, or `seat-day` for a metric in seats.' }),
      value: ExactNumber.meta({
        description: 'The sum of the daily values. It adds up over projects and over the parts of a period. A day without samples adds nothing.',
      }),
      days_with_samples: z.number().int().meta({ description: 'Days with at least one sample: of a partnership, of any of its projects.' }),
      gb_month: GbMonth,
    }),
  )
  .optional()

export const EXAMPLE_BYTE_DAYS = [
  {
    metric: 'database_size_bytes',
    unit: 'byte-day',
    value: 155692564480,
    days_with_samples: 31,
    gb_month: { shown: '5.022341', gb_bytes: 1_000_000_000, days_of_month: 31 },
  },
]
