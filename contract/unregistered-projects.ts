import { z } from 'zod'
import { PROJECT_ID } from './example-values.ts'
import { Day, Instant } from './fields.ts'
import { defineOperation } from './operation.ts'
import { NextCursor, PageQuery } from './pages.ts'

export const SIMILAR_IDS_MAX = 3
export const SENDING_KEYS_MAX = 10

/** The days that are counted by default, and for /metrics. */
export const UNREGISTERED_DAYS_DEFAULT = 31
const UNREGISTERED_DAYS_MAX = 400

const Count = z.number().int()

export const LIST_UNREGISTERED_PROJECTS = defineOperation({
  method: 'GET',
  path: '/admin/v1/unregistered-projects',
  tag: 'admin',
  summary: 'List projects that have usage but are not registered, so that no partner is billed for it',
  description:
    'Usage of the latest days, by project id. Its events are counted and kept: they belong to a partner as soon as the project is registered. An id that is not registered is often a misspelt one: `similar_project_ids` are registered ids that differ in one character, in case or in separators. Correct the emitter that `ingest_key_ids` names, or register the project.',
  query: PageQuery.extend({
    days: z.coerce
      .number()
      .int()
      .min(1)
      .max(UNREGISTERED_DAYS_MAX)
      .default(UNREGISTERED_DAYS_DEFAULT)
      .meta({ description: 'The number of UTC days up to today whose usage is listed and counted.' }),
  }),
  answers: {
    200: z.object({
      projects: z.array(
        z.object({
          id: z.string(),
          events: Count,
          days: Count.meta({ description: 'The number of days with usage.' }),
          first_day: Day,
          last_day: Day,
          last_event_at: Instant,
          ingest_key_ids: z.array(z.string()).meta({
            description: `The ingest keys that sent its events over HTTP, at most ${SENDING_KEYS_MAX}. Empty if other producers wrote them to Kafka, or before this was recorded.`,
          }),
          similar_project_ids: z.array(z.string()).meta({ description: `At most ${SIMILAR_IDS_MAX}.` }),
        }),
      ),
      next_cursor: NextCursor,
    }),
  },
  errors: { 400: true, 401: true, 403: true, 429: true, 500: true, 503: true },
  example: {
    answers: {
      200: {
        projects: [
          {
            id: PROJECT_ID.toUpperCase(),
            events: 1706,
            days: 2,
            first_day: '2026-02-03',
            last_day: '2026-02-04',
            last_event_at: '2026-02-04T09:29:59Z',
            ingest_key_ids: ['b2a1e7d4-0f6c-4f0e-9f3d-7c5d2e1f0a99'],
            similar_project_ids: [PROJECT_ID],
          },
        ],
        next_cursor: null,
      },
    },
  },
})
