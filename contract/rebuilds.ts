import { z } from 'zod'
import { MonthParam } from './fields.ts'
import { defineOperation } from './operation.ts'

export const REBUILD_MONTH = defineOperation({
  method: 'POST',
  path: '/admin/v1/rebuilds',
  tag: 'admin',
  summary: 'Rebuild the rollup of a month from raw',
  description: 'Also repairs a rollup that is ahead of raw. Ingestion waits until it has ended. Stop other processes that count events first. Idempotent.',
  body: z.strictObject({ month: MonthParam }),
  answers: {
    200: z.object({
      month: z.string(),
      keys: z.number().int().meta({ description: 'Number of (project, day, metric, log) in the rollup of the month after the rebuild.' }),
      events: z.number().int(),
      differences_before: z.number().int().meta({ description: 'On how many of them the rollup differed from raw before.' }),
    }),
  },
  errors: { 400: true, 401: true, 403: true, 409: 'REBUILD_HELD', 413: true, 415: true, 429: true, 500: true, 503: true },
  example: {
    request: { month: '2026-01' },
    answers: { 200: { month: '2026-01', keys: 5580, events: 1482310, differences_before: 0 } },
  },
})
