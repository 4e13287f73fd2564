import { z } from 'zod'
import { Day, DayText, ExactNumber, Instant, isSpan, NOT_A_SPAN, PathId } from './fields.ts'
import { defineOperation } from './operation.ts'
import { NextCursor, PageQuery } from './pages.ts'

/** An audit lists at most this many differences of each kind. */
export const DIFFERENCES_MAX = 1_000

/** One (project, day, metric, labels) on which raw and the rollup differ. Quantities are exact decimals; totals are those after corrections. */
export const AuditDifference = z.object({
  project_id: z.string(),
  usage_date: z.string(),
  metric: z.string(),
  /** The set of labels as JSON; empty without labels. */
  labels: z.string(),
  raw_events: z.string(),
  rollup_events: z.string(),
  raw_total: z.string(),
  rollup_total: z.string(),
  raw_peak: z.string(),
  rollup_peak: z.string(),
  /** Corrections of its events, and how many of its events do not count because of them. */
  raw_corrections: z.string(),
  rollup_corrections: z.string(),
  raw_voided: z.string(),
  rollup_voided: z.string(),
})
export type AuditDifference = z.output<typeof AuditDifference>

/** One (partner, day, metric) on which the materialized partnership day differs from the sum over raw. Quantities are exact decimals. */
export const PartnershipDifference = z.object({
  partner_id: z.string(),
  usage_date: z.string(),
  metric: z.string(),
  raw_events: z.string(),
  kept_events: z.string(),
  raw_value: z.string(),
  kept_value: z.string(),
})
export type PartnershipDifference = z.output<typeof PartnershipDifference>

const DayAudit = z.object({
  usage_date: Day,
  audited_at: Instant,
  as_of: Instant,
  accepted_events: ExactNumber.meta({ description: 'Log offsets at which an event of the day was accepted.' }),
  raw_events: ExactNumber.meta({ description: 'Event identities in raw. More offsets than identities would mean that an event counts twice.' }),
  rollup_events: ExactNumber.meta({ description: 'The sum of the rollup over all projects.' }),
  partnership_events: ExactNumber.meta({
    description: 'The sum of the partnership days. Lower than raw by the events of projects that are not registered.',
  }),
  differences: z.number().int().meta({ description: 'Anything other than 0 is a fault.' }),
})

export const LIST_AUDITS = defineOperation({
  method: 'GET',
  path: '/admin/v1/audits',
  tag: 'admin',
  summary: 'List the stored audits of finished days, newest day first',
  description: 'Each finished day is audited automatically, and again when more events of it are stored.',
  query: PageQuery.extend({ from: DayText.optional(), to: DayText.optional() }).refine(isSpan, NOT_A_SPAN),
  answers: { 200: z.object({ audits: z.array(DayAudit), next_cursor: NextCursor }) },
  errors: { 400: true, 401: true, 403: true, 429: true, 500: true, 503: true },
  example: {
    answers: {
      200: {
        audits: [
          {
            usage_date: '2026-01-31',
            audited_at: '2026-02-01T00:10:02Z',
            as_of: '2026-02-01T00:10:00Z',
            accepted_events: 48210,
            raw_events: 48210,
            rollup_events: 48210,
            partnership_events: 48198,
            differences: 0,
          },
        ],
        next_cursor: null,
      },
    },
  },
})

export const RUN_AUDIT = defineOperation({
  method: 'POST',
  path: '/admin/v1/audits',
  tag: 'admin',
  summary: 'Recount raw events and compare them with the rollup and the partnership days',
  description:
    'Per project, day, metric and set of labels, and per partner, day and metric. It changes no total: it requests a repair from the owner of the log, and recomputation of the materialized partnership days.',
  body: z.strictObject({ from: DayText.optional(), to: DayText.optional(), project_id: PathId.optional() }).refine(isSpan, NOT_A_SPAN).nullish(),
  answers: {
    200: z.object({
      events_recounted: z.number().int(),
      keys_compared: z.number().int().meta({ description: 'Number of (project, day, metric, set of labels) in raw.' }),
      differences: z.array(AuditDifference).meta({
        description: `Between raw and the rollup. Anything other than an empty list is a fault. At most ${DIFFERENCES_MAX}.`,
      }),
      partnership_differences: z.array(PartnershipDifference).meta({
        description: `Between raw and the materialized partnership days. Anything other than an empty list is a fault. At most ${DIFFERENCES_MAX}. Not compared for a single project.`,
      }),
      truncated: z.boolean(),
    }),
  },
  errors: { 400: true, 401: true, 403: true, 409: 'AUDIT_RUNNING', 413: true, 415: true, 429: true, 500: true, 503: true },
  example: {
    request: { from: '2026-01-01', to: '2026-01-31' },
    answers: { 200: { events_recounted: 1482310, keys_compared: 5580, differences: [], partnership_differences: [], truncated: false } },
  },
})
