import { z } from 'zod'
import { STATEMENT_SHA256 } from './example-values.ts'
import { Day, Instant, MonthText } from './fields.ts'
import { defineOperation } from './operation.ts'
import { NextCursor, PageQuery } from './pages.ts'
import { EXPORTED_WHAT } from './schedules.ts'
import { SCHEDULE_ID } from './schedules-example.ts'

const Delivery = z.object({
  schedule_id: z.string(),
  schedule_name: z.string().nullable().meta({ description: 'Its name by now; of a deleted schedule the last one.' }),
  what: z.enum(EXPORTED_WHAT),
  partner_id: z.string().nullable().meta({ description: 'Null: all partners.' }),
  day: Day.nullable().meta({ description: 'For a file of one day; null for a file of the month.' }),
  revision: z.number().int().meta({ description: 'The greatest complete revision of the same content counts; the others are earlier.' }),
  name: z.string().meta({ description: 'The name of the object.' }),
  manifest: z.string().meta({ description: 'The name of its manifest.' }),
  sha256: z.string().meta({ description: "The hash of the object's bytes." }),
  bytes: z.number().int(),
  billing_status: z.enum(['provisional', 'final']).meta({ description: 'final: every row is of a closed statement, so it never changes.' }),
  complete: z.boolean().meta({ description: 'False until the manifest was delivered: ignore the object.' }),
  delivered_at: Instant.meta({ description: 'When it was delivered last; if it is not complete, when its delivery began.' }),
  delivered_to: z.string().nullable().meta({
    description: 'The folder, or the URL without its query, which may be a credential. Null on deliveries from before this was recorded.',
  }),
})

const OBJECT = `focus/month=2026-01/all-${STATEMENT_SHA256}`

export const LIST_DELIVERIES = defineOperation({
  method: 'GET',
  path: '/admin/v1/deliveries',
  tag: 'schedules',
  summary: 'List what schedules delivered of a month',
  description: 'Every revision of the files of the month and of its days: by what they are about, then by schedule, newest revision first.',
  query: PageQuery.extend({
    month: MonthText.meta({ description: 'YYYY-MM.' }),
    partner: z.string().optional().meta({ description: 'Only files that contain this partner: its own, and those of all partners.' }),
  }),
  answers: { 200: z.object({ deliveries: z.array(Delivery), next_cursor: NextCursor }) },
  errors: { 400: true, 401: true, 403: true, 404: 'PARTNER_NOT_FOUND', 429: true, 500: true, 503: true },
  example: {
    answers: {
      200: {
        deliveries: [
          {
            schedule_id: SCHEDULE_ID,
            schedule_name: 'finance',
            what: 'focus',
            partner_id: null,
            day: null,
            revision: 1,
            name: `${OBJECT}.parquet`,
            manifest: `${OBJECT}.r1.manifest.json`,
            sha256: STATEMENT_SHA256,
            bytes: 48211,
            billing_status: 'final',
            complete: true,
            delivered_at: '2026-02-04T06:00:03.120Z',
            delivered_to: 'https://bucket.example.com/in/{name}',
          },
        ],
        next_cursor: null,
      },
    },
  },
})
