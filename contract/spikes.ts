import { z } from 'zod'
import { PARTNER_ID, PROJECT_ID } from './example-values.ts'
import { Day, DayText, Instant, isSpan, NOT_A_SPAN, PartnerParams } from './fields.ts'
import { MetricNameField } from './metrics.ts'
import { defineOperation, type Operation } from './operation.ts'
import { NextCursor, PageQuery } from './pages.ts'

const Decimal = z.string().meta({ description: 'An exact decimal.' })

/** What is stored of a spike, and sent as the data of the message `usage.spike`: the value of a day, and the numbers by which it was judged. */
export const SpikeData = z.object({
  project_id: z.string(),
  partner_id: z.string(),
  metric: z.string(),
  unit: z.string(),
  day: Day,
  direction: z.enum(['up', 'down']),
  value: Decimal,
  median: Decimal.meta({ description: 'The median of `same_weekdays`.' }),
  median_absolute_deviation: Decimal,
  deviations_min: z.number().meta({ description: 'The value differs from the median by more than so many standard deviations, each 1.4826 times the MAD.' }),
  floor: Decimal.meta({
    description:
      'The smallest difference that is a spike: of the unit or, for units that have none of their own, 10 or half of the median, whichever is greater.',
  }),
  same_weekdays: z.array(Decimal).meta({ description: 'The values of the same weekday of the 8 weeks before, ascending; fewer for a new project.' }),
  as_of: Instant.nullable().meta({ description: 'Usage was complete up to this time when the day was judged.' }),
})
export type SpikeData = z.output<typeof SpikeData>

const Spike = SpikeData.extend({ message_id: z.string(), at: Instant.meta({ description: 'When it was noticed.' }) })

/** The longest id of a project that an event may have. */
const PROJECT_ID_CHARACTERS_MAX = 256
const SpikesQuery = PageQuery.extend({
  project_id: z.string().max(PROJECT_ID_CHARACTERS_MAX).optional(),
  metric: MetricNameField.optional().meta({ description: 'A metric of GET …/metrics.' }),
  from: DayText.optional().meta({ description: 'The first day, inclusive.' }),
  to: DayText.optional().meta({ description: 'The last day, inclusive.' }),
})

const SPIKE = {
  message_id: 'msg_2b7e151628aed2a6abf7158809cf4f3c',
  at: '2026-02-04T00:10:02Z',
  project_id: PROJECT_ID,
  partner_id: PARTNER_ID,
  metric: 'ai_tokens',
  unit: 'token',
  day: '2026-02-03',
  direction: 'up' as const,
  value: '903311.5',
  median: '200004.5',
  median_absolute_deviation: '2',
  deviations_min: 5,
  floor: '100000',
  same_weekdays: ['200001', '200002', '200003', '200004', '200005', '200006', '200007', '200008'],
  as_of: '2026-02-04T00:10:00Z',
}

const LIST = {
  method: 'GET',
  tag: 'usage',
  summary: 'List days of projects that are unlike their weekday, newest day first',
  description:
    'Each complete day of a (project, metric) is compared with the same weekday of the 8 weeks before. It is a spike when it differs from their median by more than 5 standard deviations, estimated from the median absolute deviation, and by the floor of its unit, upwards or downwards. A spike keeps the numbers by which it was judged; later usage does not change it. Spikes are kept for 500 days.',
  answers: { 200: z.object({ spikes: z.array(Spike), next_cursor: NextCursor }) },
  example: { answers: { 200: { spikes: [SPIKE], next_cursor: null } } },
} as const satisfies Partial<Operation>

export const LIST_SPIKES = defineOperation({
  ...LIST,
  path: '/admin/v1/spikes',
  query: SpikesQuery.extend({ partner_id: z.string().optional() }).refine(isSpan, NOT_A_SPAN),
  errors: { 400: true, 401: true, 403: true, 404: 'PARTNER_NOT_FOUND', 429: true, 500: true, 503: true },
})
export const LIST_OWN_SPIKES = defineOperation({
  ...LIST,
  path: '/partnership/v1/:partnerId/spikes',
  params: PartnerParams,
  query: SpikesQuery.refine(isSpan, NOT_A_SPAN),
  errors: { 400: true, 401: true, 404: 'PROJECT_NOT_FOUND', 429: true, 500: true, 503: true },
})
