import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { AuditDifference, audit } from '../../aggregator/audits/audit.ts'
import { PartnershipDifference } from '../../aggregator/audits/audit-partnership-days.ts'
import { DIFFERENCES_MAX } from '../../aggregator/audits/audit-scope.ts'
import { AuditSlot } from '../../aggregator/audits/audit-slot.ts'
import { type DayAudit, listDayAudits } from '../../aggregator/audits/day-audits.ts'
import { Day, DayParam, ExactNumber, Instant, PathId } from '../../contract/fields.ts'
import { NextCursor, PageQuery } from '../../contract/pages.ts'
import { dayAfter, isDay } from '../../metering/period.ts'
import { NumberToken } from '../../metering/quantity.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { FINANCE, OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { pageOf, requirePlace, writePlace } from '../requests/cursor.ts'

/** What proves the totals: raw recounted, on demand, and by itself for every finished day. */
export function auditRoutes(app: FastifyInstance, { clickhouse, registry, betweenBatches, aggregating }: ApiContext): void {
  const slot = aggregating?.auditSlot ?? new AuditSlot()
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const common = { tags: ['admin'] }

  routes.get(
    '/admin/v1/audits',
    {
      config: { access: FINANCE },
      schema: {
        ...common,
        summary: 'The kept audits of finished days, the newest day first',
        description: 'Each finished day is audited by itself, and again whenever something of it was stored since.',
        querystring: KeptAuditsQuery,
        response: { 200: KeptAuditsAnswer, ...errorAnswers(400, 401, 429, 500, 503) },
      },
    },
    async (request) => {
      const { from, to, limit, cursor } = request.query
      const asked = ['audits', from, to]
      const span = spanOf({ from, to })
      const [end] = cursor === undefined ? [span.end] : requirePlace(cursor, asked, LastDay)
      const audits = await listDayAudits(clickhouse, { from: span.from, end, limit: limit + 1 })
      const { shown, next_cursor } = pageOf(audits, limit, ({ usage_date }) => writePlace(asked, [usage_date]))
      return { audits: shown.map(keptAudit), next_cursor }
    },
  )

  routes.post(
    '/admin/v1/audits',
    {
      config: { access: OPERATOR },
      schema: {
        ...common,
        summary: 'Recount raw events and compare them with the rollup and the partnership days',
        description:
          'Per project, day and metric, and per partner, day and metric. It changes no total: it asks the owner of the log to repair, and kept partnership days to be computed anew.',
        body: AuditRequest,
        response: { 200: AuditAnswer, ...errorAnswers(400, 401, 409, 415, 429, 500, 503) },
      },
    },
    async (request) => {
      const { from, to, project_id } = request.body ?? {}
      const outcome = await slot.runRequested(async () => {
        // It asks for repairs of what it finds, so it is not only a question.
        await registry.changes.note(actorOf(request), { action: 'audit.run', subject: project_id ?? 'all', details: { from: from ?? null, to: to ?? null } })
        return audit(clickhouse, { ...spanOf({ from, to }), projectId: project_id }, betweenBatches)
      })
      if (outcome.status === 'another_runs') throw new ApiError('AUDIT_RUNNING')
      const report = outcome.result
      return {
        events_recounted: report.eventsRecounted,
        keys_compared: report.keysCompared,
        differences: [...report.differences],
        partnership_differences: [...report.partnershipDifferences],
        truncated: report.truncated,
      }
    },
  )
}

interface AskedDays {
  readonly from: string | undefined
  readonly to: string | undefined
}

function spanOf({ from, to }: AskedDays): { from: string; end: string } {
  return { from: from ?? FIRST_DAY, end: to === undefined ? LAST_DAY : dayAfter(to) }
}

const FIRST_DAY = '1970-01-01'
const LAST_DAY = '2148-12-31'

const DayText = DayParam.refine(isDay, 'must be a calendar day as YYYY-MM-DD')

/** An audit that compares nothing would print 0 differences. */
function isSpan({ from, to }: { from?: string | undefined; to?: string | undefined }): boolean {
  return from === undefined || to === undefined || from <= to
}
const NOT_A_SPAN = { path: ['from'], message: 'must not be after "to"' }

const AuditRequest = z.strictObject({ from: DayText.optional(), to: DayText.optional(), project_id: PathId.optional() }).refine(isSpan, NOT_A_SPAN).nullish()

const AuditAnswer = z.object({
  events_recounted: z.number().int(),
  keys_compared: z.number().int().meta({ description: 'How many (project, day, metric) raw holds.' }),
  differences: z.array(AuditDifference).meta({ description: `Between raw and rollup. Empty is the only good answer. At most ${DIFFERENCES_MAX}.` }),
  partnership_differences: z.array(PartnershipDifference).meta({
    description: `Between raw and the kept partnership days. Empty is the only good answer. At most ${DIFFERENCES_MAX}. Not compared for one project.`,
  }),
  truncated: z.boolean(),
})

const KeptAuditsQuery = PageQuery.extend({ from: DayText.optional(), to: DayText.optional() }).refine(isSpan, NOT_A_SPAN)

/** The day that the page before ends with: the next one ends before it. */
const LastDay = z.tuple([z.string().refine(isDay)])

const KeptAuditsAnswer = z.object({
  audits: z.array(
    z.object({
      usage_date: Day,
      audited_at: Instant,
      as_of: Instant,
      accepted_events: ExactNumber.meta({ description: 'Places in a log at which an event of the day was accepted.' }),
      raw_events: ExactNumber.meta({ description: 'Identities that raw holds. More places than identities would be an event that counts twice.' }),
      rollup_events: ExactNumber.meta({ description: 'What the rollup adds up to, over all projects.' }),
      partnership_events: ExactNumber.meta({ description: 'What the partnership days add up to: less than raw by the events of projects nobody registered.' }),
      differences: z.number().int().meta({ description: '0 is the only good number.' }),
    }),
  ),
  next_cursor: NextCursor,
})

function keptAudit(audit: DayAudit): z.input<typeof KeptAuditsAnswer>['audits'][number] {
  return {
    usage_date: audit.usage_date,
    audited_at: formatTimestamp(audit.audited_ms),
    as_of: formatTimestamp(audit.as_of_ms),
    accepted_events: new NumberToken(audit.accepted_events),
    raw_events: new NumberToken(audit.raw_events),
    rollup_events: new NumberToken(audit.rollup_events),
    partnership_events: new NumberToken(audit.partnership_events),
    differences: audit.differences,
  }
}
