import { z } from 'zod'
import { isPlainText } from '../metering/event.ts'
import { METRIC_NAMES, METRICS, type MetricName } from '../metering/metrics.ts'
import { parseMonth } from '../metering/month.ts'
import { NumberToken } from '../metering/quantity.ts'
import { formatTimestamp } from '../metering/timestamp.ts'
import { INSTANCE_TYPES, PROJECT_STATUSES, type Project, REGIONS } from '../registry/projects/project.ts'

/** Shapes that more than one route uses. The schemas are the only source: type, validation, answer check and OpenAPI. */

/** Leaves as a plain JSON number with all its digits. */
export const ExactNumber = z
  .custom<NumberToken>((value) => value instanceof NumberToken)
  .meta({ type: 'number', description: 'Exact decimal, up to 9 fraction digits; may exceed 2^53.' })

export const Day = z.string().meta({ format: 'date', description: 'Calendar day in UTC, YYYY-MM-DD.' })
export const Instant = z.string().meta({ format: 'date-time', description: 'RFC 3339, UTC.' })

/** A time that there may be none of. */
export function instantOrNull(ms: number | null | undefined): string | null {
  return ms === null || ms === undefined ? null : formatTimestamp(ms)
}

/** How a day and a month are written. Whether there is such a day, and who may ask for it, is decided by who reads them. */
export const DayParam = z.string().meta({ format: 'date' })
export const MonthParam = z.string().max(256).meta({ pattern: '^[0-9]{4}-(0[1-9]|1[0-2])$', example: '2026-01' })
/** The same in a body, where what is no month is refused by its name. */
export const MonthText = MonthParam.refine((text) => parseMonth(text) !== undefined, 'must be a month as YYYY-MM')

export const PeriodQuery = z.strictObject({
  start_date: DayParam.optional().meta({ description: 'First day, inclusive. Default: 7 days before end_date.', example: '2026-01-01' }),
  end_date: DayParam.optional().meta({ description: 'Last day, inclusive. Default: today (UTC).', example: '2026-01-31' }),
})

export const PeriodAnswer = z.object({ start: Instant, end: Instant })

export const Name = z.string().trim().min(1).max(128).refine(isPlainText, 'must not contain control characters')
export const Region = z.enum(REGIONS)
export const InstanceType = z.enum(INSTANCE_TYPES)
export const Status = z.enum(PROJECT_STATUSES)

const SEARCH_CHARACTERS_MAX = 128
export const ProjectSearch = z.string().max(SEARCH_CHARACTERS_MAX).default('').meta({ description: 'A part of the name or the id, whatever the case.' })

/** How a project is reached. Source: partner API documentation. */
export const Connection = z.object({ id: z.string(), access_host: z.string(), api_key: z.string(), status: Status })

export function connectionOf({ id, accessHost, status }: Project, apiKey: string): z.output<typeof Connection> {
  return { id, access_host: accessHost, api_key: apiKey, status }
}

/** Ids in a path. What is not an id of that kind is simply not found. */
export const PathId = z.string().max(256)
export const PartnerParams = z.object({ partnerId: PathId })
export const PartnerProjectParams = z.object({ partnerId: PathId, projectId: PathId })

export const BillingFields = {
  as_of: Instant.nullable().meta({ description: 'Usage is complete up to this time; null before the first event log was opened.' }),
  billing_status: z.enum(['provisional', 'final']),
}

export const ErrorBody = z
  .object({ success: z.literal(false), message: z.string(), code: z.string(), request_id: z.string() })
  .meta({ id: 'Error', description: 'Every answer that is not 2xx.' })

/** The errors a route can answer with, for its `response`. */
export function errorAnswers(...statuses: number[]): Record<number, typeof ErrorBody> {
  return Object.fromEntries(statuses.map((status) => [status, ErrorBody]))
}

type Quantities<K extends string> = z.ZodObject<Record<K, typeof ExactNumber>>

/** An object with one exact number for each metric, under the names that `nameOf` gives. */
export function quantitiesSchema<K extends string>(nameOf: (metric: MetricName) => K): Quantities<K> {
  return z.object(Object.fromEntries(METRIC_NAMES.map((metric) => [nameOf(metric), ExactNumber]))) as Quantities<K>
}

/** The same object, filled. */
export function quantitiesAnswer<K extends string>(usage: Readonly<Record<MetricName, string>>, nameOf: (metric: MetricName) => K): Record<K, NumberToken> {
  return Object.fromEntries(METRIC_NAMES.map((metric) => [nameOf(metric), new NumberToken(usage[metric])])) as Record<K, NumberToken>
}

export const dailyName = (metric: MetricName) => metric
export const projectSummaryName = (metric: MetricName) => METRICS[metric].projectSummaryName
export const partnershipName = (metric: MetricName) => METRICS[metric].partnershipName
