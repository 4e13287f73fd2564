import { z } from 'zod'
import { isPlainText } from '../metering/event.ts'
import { METRIC_KINDS, METRIC_NAMES, METRICS, type MetricName } from '../metering/metrics.ts'
import { parseMonth } from '../metering/month.ts'
import { isDay } from '../metering/period.ts'
import { NumberToken } from '../metering/quantity.ts'
import { INSTANCE_TYPES, PROJECT_STATUSES, REGIONS } from './lists.ts'
import { hasVisibleCharacter, overridesDirection } from './visible-text.ts'

/** Shapes that more than one operation uses. A schema is the only source: type, validation, check of the answer and OpenAPI. */

/**
 * A plain JSON number with all its digits. The server writes NumberToken only, so that no float can become a bill; a client
 * that reads an answer gets a NumberToken for every number, short ones too.
 */
export const ExactNumber = z
  .codec(
    // When read, a short number is a JavaScript number. The type excludes it, so that no code sends one.
    z.custom<NumberToken>((value) => typeof value === 'number' || value instanceof NumberToken),
    z.custom<NumberToken>((value) => value instanceof NumberToken),
    { decode: (read: unknown) => (read instanceof NumberToken ? read : new NumberToken(String(read))), encode: (token) => token },
  )
  .meta({ type: 'number', description: 'Exact decimal, up to 9 fraction digits; may exceed 2^53.' })

export const Day = z.string().meta({ format: 'date', description: 'Calendar day in UTC, YYYY-MM-DD.' })
export const Instant = z.string().meta({ format: 'date-time', description: 'RFC 3339, UTC.' })

/** How a day and a month are written. Whether the day exists, and who may read it, is decided by the reader. */
export const DayParam = z.string().meta({ format: 'date' })
export const MonthParam = z.string().max(256).meta({ pattern: '^[0-9]{4}-(0[1-9]|1[0-2])$', example: '2026-01' })
/** The same in a body, where what is no month is refused by its name. */
export const MonthText = MonthParam.refine((text) => parseMonth(text) !== undefined, 'must be a month as YYYY-MM')
export const DayText = DayParam.refine(isDay, 'must be a calendar day as YYYY-MM-DD')

/** Whether `from` is not after `to`. Otherwise an empty list would look like an answer: an audit of no day has 0 differences. */
export function isSpan({ from, to }: { from?: string | undefined; to?: string | undefined }): boolean {
  return from === undefined || to === undefined || from <= to
}
export const NOT_A_SPAN = { path: ['from'], message: 'must not be after "to"' }

export const PeriodQuery = z.strictObject({
  start_date: DayParam.optional().meta({ description: 'First day, inclusive. Default: 7 days before end_date.', example: '2026-01-01' }),
  end_date: DayParam.optional().meta({ description: 'Last day, inclusive. Default: today (UTC).', example: '2026-01-31' }),
})

export const PeriodAnswer = z.object({ start: Instant, end: Instant })

/** In NFC, so that two names that look the same are the same. */
export const Name = z
  .string()
  .trim()
  .normalize('NFC')
  .min(1)
  .max(128)
  .refine(isPlainText, 'must not contain control characters')
  .refine(hasVisibleCharacter, 'must contain a visible character')
  .refine((text) => !overridesDirection(text), 'must not contain characters that change the direction of text')
export const RegionField = z.enum(REGIONS)
export const InstanceTypeField = z.enum(INSTANCE_TYPES)
export const Status = z.enum(PROJECT_STATUSES)

const SEARCH_CHARACTERS_MAX = 128
export const ProjectSearch = z.string().max(SEARCH_CHARACTERS_MAX).default('').meta({ description: 'A part of the name or the id, whatever the case.' })

/** How a project is reached. Source: partner API documentation. */
export const Connection = z.object({ id: z.string(), access_host: z.string(), api_key: z.string(), status: Status })

/** Ids in a path. What is not an id of that kind is simply not found. */
export const PathId = z.string().max(256)
export const PartnerParams = z.object({ partnerId: PathId })
export const PartnerProjectParams = z.object({ partnerId: PathId, projectId: PathId })

export const BillingFields = {
  as_of: Instant.nullable().meta({ description: 'Usage is complete up to this time; null before the first event log was opened.' }),
  billing_status: z.enum(['provisional', 'final']),
}

type Quantities<K extends string> = z.ZodObject<Record<K, typeof ExactNumber>>

/** An object with one exact number for each metric, under the names that `nameOf` gives. */
export function quantitiesSchema<K extends string>(nameOf: (metric: MetricName) => K): Quantities<K> {
  return z.object(Object.fromEntries(METRIC_NAMES.map((metric) => [nameOf(metric), ExactNumber]))) as Quantities<K>
}

/** Usage of metrics that operators have defined, by name. Without any, answers do not have it. */
export const OtherMetrics = z
  .record(
    z.string(),
    z.object({
      value: ExactNumber,
      kind: z.enum(METRIC_KINDS),
      unit: z.string(),
      union: ExactNumber.optional().meta({
        description:
          'Of a partnership, for the kind `unique`: the number of different texts over all its projects. `value`, which is billed, is the sum of the numbers of its projects.',
      }),
    }),
  )
  .optional()
  .meta({ description: 'Usage of the metrics that operators have defined, by name: those with events. Left out without any.' })

export const dailyName = (metric: MetricName) => metric
export const projectSummaryName = (metric: MetricName) => METRICS[metric].projectSummaryName
export const partnershipName = (metric: MetricName) => METRICS[metric].partnershipName
