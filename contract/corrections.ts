import { z } from 'zod'
import { CORRECTION_ACTIONS } from '../metering/correction.ts'
import { EventsCounted, EventsProduced } from './events.ts'
import { CREATED_AT, IN_FEBRUARY, PROJECT_ID } from './example-values.ts'
import { Day, DayText, ExactNumber, Instant, isSpan, NOT_A_SPAN, PathId } from './fields.ts'
import { defineOperation } from './operation.ts'
import { NextCursor, PageQuery } from './pages.ts'

const CORRECTIONS_PER_REQUEST_MAX = 1_000

/** Each is validated alone, like an event: what is wrong with one rejects that one. Here are only the types. */
const SentCorrection = z.strictObject({
  event_id: z.string().optional().meta({
    description:
      'The id of the correction itself, unique among the events and corrections of the project. Default: derived from the other fields, so that the same correction sent again is a duplicate.',
  }),
  project_id: PathId,
  corrects: PathId.meta({ description: 'The event_id of the event.' }),
  action: z.enum(CORRECTION_ACTIONS),
  value: z.string().optional().meta({ description: 'For `amend` only: the value that counts from now on, as text so that no digit is lost.' }),
  reason: z.string().meta({ description: 'Why, in 1 to 500 characters. The adjustment lines of closed months show it to the partner.' }),
})
export type SentCorrection = z.output<typeof SentCorrection>

/** Strict, so that another way to name what is corrected can be added as fields of its own. */
const SingleCorrections = z.strictObject({ corrections: z.array(SentCorrection).min(1).max(CORRECTIONS_PER_REQUEST_MAX) })

/** What one correction changed. */
export const CorrectionOfEvent = z.object({
  project_id: z.string(),
  event_id: z.string().meta({ description: 'The id of the correction.' }),
  corrects: z.string().meta({ description: 'The event_id of the event.' }),
  action: z.enum(CORRECTION_ACTIONS),
  before: ExactNumber.nullable().meta({ description: 'The value that the event counted with before; null if it was voided.' }),
  after: ExactNumber.nullable().meta({ description: 'The value that the event counted with from then on; null for a void.' }),
  text: z.string().optional().meta({ description: 'The value of an event of a metric of the kind `unique`; `before` and `after` are 0 where it counts.' }),
  reason: z.string(),
  received_at: Instant,
})

const Correction = CorrectionOfEvent.extend({ metric: z.string(), usage_date: Day.meta({ description: 'The day of the event.' }) })

const CorrectionsQuery = PageQuery.extend({
  project_id: PathId,
  from: DayText.optional().meta({ description: 'The first day of the corrected events, inclusive.' }),
  to: DayText.optional().meta({ description: 'The last day of the corrected events, inclusive.' }),
}).refine(isSpan, NOT_A_SPAN)

export const CORRECTION_EXAMPLE = {
  project_id: PROJECT_ID,
  event_id: 'correction-5f3a1c',
  corrects: 'req-7f3a',
  action: 'amend' as const,
  before: 1500,
  after: 150,
  reason: 'The gateway reported each token ten times.',
  received_at: IN_FEBRUARY,
}

export const SUBMIT_CORRECTIONS = defineOperation({
  method: 'POST',
  path: '/admin/v1/corrections',
  tag: 'admin',
  summary: 'Void or amend events, also of closed months',
  description: [
    `Up to ${CORRECTIONS_PER_REQUEST_MAX} corrections. Each is validated alone and counted like an event, in the order of the list; the latest correction of an event applies.`,
    'What it changes of a closed month is an adjustment on the next statement, which names the reason.',
    'After a 503 or without an answer, send the whole request again; no correction counts twice. To correct an event once more as it was corrected before, give an event_id of your own.',
  ].join(' '),
  body: SingleCorrections,
  answers: { 200: EventsCounted, 202: EventsProduced },
  errors: { 400: true, 401: true, 403: true, 413: true, 415: true, 429: true, 500: true, 503: 'EVENTS_UNAVAILABLE' },
  example: {
    request: { corrections: [{ project_id: PROJECT_ID, corrects: 'req-7f3a', action: 'amend', value: '150', reason: CORRECTION_EXAMPLE.reason }] },
    answers: { 200: { accepted: 1, duplicates: 0, rejected: [] }, 202: { accepted: 1, rejected: [] } },
  },
})

export const LIST_CORRECTIONS = defineOperation({
  method: 'GET',
  path: '/admin/v1/corrections',
  tag: 'admin',
  summary: "List the corrections of a project's events, the last received first",
  query: CorrectionsQuery,
  answers: { 200: z.object({ corrections: z.array(Correction), next_cursor: NextCursor }) },
  errors: { 400: true, 401: true, 403: true, 429: true, 500: true, 503: true },
  example: { answers: { 200: { corrections: [{ ...CORRECTION_EXAMPLE, metric: 'ai_tokens', usage_date: CREATED_AT.slice(0, 10) }], next_cursor: null } } },
})
