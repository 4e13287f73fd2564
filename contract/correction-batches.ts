import { z } from 'zod'
import { CORRECTION_REASON_CODE_POINTS_MAX, CORRECTION_REASON_RULE, isCorrectionReason } from '../metering/correction.ts'
import { CORRECTIONS_PER_WINDOW_MAX, isWindow, WINDOW_RULE } from '../metering/window-record.ts'
import { BATCH_EVENTS_CONTENT } from './event-body.ts'
import { EVENTS_BODY_BYTES_MAX, EVENTS_PER_REQUEST_MAX, EventsCounted, EventsProduced } from './events.ts'
import { CREATED_AT, IN_FEBRUARY, PROJECT_ID } from './example-values.ts'
import { Day, DayText, ExactNumber, Instant, PathId } from './fields.ts'
import { defineOperation } from './operation.ts'
import { NextCursor, PageQuery } from './pages.ts'

const BATCH_STATES = ['open', 'closed', 'reverted'] as const

const Batch = z.object({
  id: z.string(),
  project_id: z.string(),
  metric: z.string(),
  from: Day,
  to: Day,
  reason: z.string(),
  state: z
    .enum(BATCH_STATES)
    .meta({ description: 'The events of an open batch do not count, those of a closed one do, and those of a reverted one no longer do.' }),
  events: z.number().int().meta({ description: 'Events that were sent to the batch, as far as they are stored.' }),
  created_at: Instant,
  closed_at: Instant.nullable(),
  reverted_at: Instant.nullable(),
})

const Change = {
  before: ExactNumber.nullable().meta({ description: 'Null without events that count.' }),
  after: ExactNumber.nullable(),
  difference: ExactNumber,
}

const Preview = z
  .object({
    days: z.array(z.object({ usage_date: Day, ...Change, events_before: z.number().int(), events_after: z.number().int() })),
    month: z.object({
      month: z.string(),
      ...Change,
      is_closed: z.boolean(),
      billed_on: z.enum(['statement', 'next_statement']).meta({
        description:
          '`statement`: the month is open, and its own statement has the new value. `next_statement`: it is closed, and the next statement has the difference.',
      }),
    }),
  })
  .meta({ description: "What would change of the project's usage. The peak of a partnership is that of all its projects together." })

const Window = {
  project_id: PathId,
  metric: z.string(),
  from: DayText.meta({ description: 'The first day of the window.' }),
  to: DayText.meta({ description: 'The last day, of the same calendar month.' }),
  reason: z
    .string()
    .refine(isCorrectionReason, CORRECTION_REASON_RULE)
    .meta({ description: `Why, in 1 to ${CORRECTION_REASON_CODE_POINTS_MAX} characters. The adjustment line of a closed month shows it to the partner.` }),
}

const NewBatch = z
  .strictObject({ ...Window, dry_run: z.boolean().default(false).meta({ description: 'Only answer what the window holds, all of which would be voided.' }) })
  .refine(({ from, to }) => isWindow(from, to), { path: ['from'], message: WINDOW_RULE })

const Step = z.strictObject({ dry_run: z.boolean().default(false).meta({ description: 'Only answer what would change.' }) })
const Stepped = z.object({ batch: Batch, preview: Preview.nullable().meta({ description: 'With `dry_run` only.' }) })

const BATCH = {
  id: '5b1d9c0e-7f3a-4826-a9d2-0c6a4f1f7b10',
  project_id: PROJECT_ID,
  metric: 'ai_tokens',
  from: '2026-01-10',
  to: '2026-01-11',
  reason: 'The gateway reported each token ten times.',
  state: 'open' as const,
  events: 2,
  created_at: CREATED_AT,
  closed_at: null,
  reverted_at: null,
}
const CLOSED = { ...BATCH, state: 'closed' as const, closed_at: IN_FEBRUARY }
const CHANGE = { before: 1500, after: 150, difference: -1350 }
const PREVIEW = {
  days: [{ usage_date: '2026-01-10', ...CHANGE, events_before: 10, events_after: 2 }],
  month: { month: '2026-01', before: 15500, after: 14150, difference: -1350, is_closed: true, billed_on: 'next_statement' as const },
}

const PATH = '/admin/v1/correction-batches'
const Params = z.object({ batchId: PathId })
const READ = { 401: true, 403: true, 429: true, 500: true, 503: true } as const
const WRITE = { 400: true, 413: true, 415: true } as const

export const OPEN_BATCH = defineOperation({
  method: 'POST',
  path: PATH,
  tag: 'admin',
  summary: 'Open a batch that replaces the usage of some days',
  description: [
    'A batch is for one project, one metric (not of the kinds `last` and `unique`) and the days of one calendar month. Send its events, look at what would change, and close it: from then on these days have the events of the batch and no others, in one step.',
    `Until then nothing changes. A closing changes at most ${CORRECTIONS_PER_WINDOW_MAX} events; for more, open batches for fewer days.`,
  ].join(' '),
  body: NewBatch,
  answers: { 201: z.object({ batch: Batch }), 200: z.object({ preview: Preview }) },
  errors: { ...READ, ...WRITE },
  example: {
    request: { project_id: PROJECT_ID, metric: BATCH.metric, from: BATCH.from, to: BATCH.to, reason: BATCH.reason },
    answers: { 201: { batch: { ...BATCH, events: 0 } }, 200: { preview: PREVIEW } },
  },
})

export const LIST_BATCHES = defineOperation({
  method: 'GET',
  path: PATH,
  tag: 'admin',
  summary: 'List correction batches, the last opened first',
  query: PageQuery.extend({ project_id: PathId.optional() }),
  answers: { 200: z.object({ batches: z.array(Batch), next_cursor: NextCursor }) },
  errors: { 400: true, ...READ },
  example: { answers: { 200: { batches: [BATCH], next_cursor: null } } },
})

export const GET_BATCH = defineOperation({
  method: 'GET',
  path: `${PATH}/:batchId`,
  tag: 'admin',
  summary: 'Get a correction batch',
  params: Params,
  answers: { 200: z.object({ batch: Batch }) },
  errors: { 400: true, ...READ, 404: 'BATCH_NOT_FOUND' },
  example: { answers: { 200: { batch: CLOSED } } },
})

export const SEND_BATCH_EVENTS = defineOperation({
  method: 'POST',
  path: `${PATH}/:batchId/events`,
  tag: 'admin',
  summary: 'Send events to a correction batch',
  description: [
    `One event, an array or NDJSON, as for POST /v1/events; at most ${EVENTS_PER_REQUEST_MAX} events and ${EVENTS_BODY_BYTES_MAX} bytes. They are stored, and do not count before the batch is closed.`,
    'An event of another project, metric or day is rejected, and so is one with the id of an event outside of the batch: what the closing voids would not be replaced by it. After a 503 or without an answer, send all of them again.',
  ].join(' '),
  params: Params,
  rawBody: BATCH_EVENTS_CONTENT,
  answers: { 200: EventsCounted, 202: EventsProduced },
  errors: { ...READ, ...WRITE, 404: 'BATCH_NOT_FOUND', 409: 'BATCH_CLOSED', 503: 'EVENTS_UNAVAILABLE' },
  example: { answers: { 200: { accepted: 2, duplicates: 0, rejected: [] }, 202: { accepted: 2, rejected: [] } } },
})

export const CLOSE_BATCH = defineOperation({
  method: 'POST',
  path: `${PATH}/:batchId/close`,
  tag: 'admin',
  summary: 'Close a correction batch: its events replace the usage of its days',
  description: [
    'All or nothing: no answer ever has a part of the old usage and a part of the new one. Of a closed month the difference is on the next statement. Closing it again answers the same.',
    'With Kafka the closing is durable with the 202, and counted when the topic is read: the batch is closed once its state says so.',
  ].join(' '),
  params: Params,
  body: Step,
  answers: { 200: Stepped, 202: Stepped },
  errors: { ...READ, ...WRITE, 404: 'BATCH_NOT_FOUND', 409: 'BATCH_REJECTED', 503: 'EVENTS_UNAVAILABLE' },
  example: { request: { dry_run: true }, answers: { 200: { batch: BATCH, preview: PREVIEW }, 202: { batch: BATCH, preview: null } } },
})

export const REVERT_BATCH = defineOperation({
  method: 'POST',
  path: `${PATH}/:batchId/revert`,
  tag: 'admin',
  summary: 'Revert a closed correction batch',
  description:
    'Each event that the closing changed counts again what it counted before, also if it was corrected since. Of several batches that were closed for the same days the last one is reverted first. A batch is reverted once; to replace the usage again, open another one.',
  params: Params,
  body: Step,
  answers: { 200: Stepped, 202: Stepped },
  errors: { ...READ, ...WRITE, 404: 'BATCH_NOT_FOUND', 409: 'BATCH_REJECTED', 503: 'EVENTS_UNAVAILABLE' },
  example: {
    request: { dry_run: false },
    answers: { 200: { batch: { ...CLOSED, state: 'reverted', reverted_at: IN_FEBRUARY }, preview: null }, 202: { batch: CLOSED, preview: null } },
  },
})
