import { z } from 'zod'
import { PARTNER_ID, PROJECT_ID } from './example-values.ts'
import { Day, Instant } from './fields.ts'
import { defineOperation } from './operation.ts'

export const SILENT_PROJECTS_MAX = 1_000
/** A project that has been silent for longer was abandoned; its emitter did not fail. */
export const SILENT_DAYS_MAX = 60

export const REPORTED_DAYS_DEFAULT = 7
const REPORTED_DAYS_MAX = 60

export const LIST_SILENT_PROJECTS = defineOperation({
  method: 'GET',
  path: '/admin/v1/silent-projects',
  tag: 'admin',
  summary: 'List projects that sent a metric every day and stopped',
  description: `Projects with events of a metric on each of the \`days\` UTC days up to the last one, then with none on at least one complete day. Excludes deleted projects, and those that have been silent for more than ${SILENT_DAYS_MAX} days.`,
  query: z.strictObject({
    days: z.coerce.number().int().min(1).max(REPORTED_DAYS_MAX).default(REPORTED_DAYS_DEFAULT).meta({
      description: 'The number of consecutive days on which the project must have sent the metric before it stopped.',
    }),
  }),
  answers: {
    200: z.object({
      silent: z.array(
        z.object({
          project_id: z.string(),
          partner_id: z.string().nullable().meta({ description: 'Null when the project is not registered.' }),
          metric: z.string(),
          last_day: Day,
          silent_days: z.number().int().meta({ description: 'Complete UTC days without an event.' }),
          last_event_at: Instant,
        }),
      ),
      truncated: z.boolean().meta({ description: `True when there are more than ${SILENT_PROJECTS_MAX}.` }),
    }),
  },
  errors: { 400: true, 401: true, 403: true, 429: true, 500: true, 503: true },
  example: {
    answers: {
      200: {
        silent: [
          {
            project_id: PROJECT_ID,
            partner_id: PARTNER_ID,
            metric: 'ai_tokens',
            last_day: '2026-02-01',
            silent_days: 2,
            last_event_at: '2026-02-01T22:14:09Z',
          },
        ],
        truncated: false,
      },
    },
  },
})
