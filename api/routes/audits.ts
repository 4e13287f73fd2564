import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { audit } from '../../aggregator/audits/audit.ts'
import { AuditSlot } from '../../aggregator/audits/audit-slot.ts'
import { type DayAudit, listDayAudits } from '../../aggregator/audits/day-audits.ts'
import { LIST_AUDITS, RUN_AUDIT } from '../../contract/audits.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { dayAfter, isDay } from '../../metering/period.ts'
import { NumberToken } from '../../metering/quantity.ts'
import { DAY_AFTER_LAST } from '../../metering/storable-days.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import { FINANCE, OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext, OperatorContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { pageOf, requirePlace, writePlace } from '../requests/cursor.ts'
import { addRoute } from '../route.ts'

export function listAudits(app: FastifyInstance, { limitedReads }: ApiContext): void {
  addRoute(app, LIST_AUDITS, { access: FINANCE }, async (request) => {
    const { from, to, limit, cursor } = request.query
    const query = ['audits', from, to]
    const span = spanOf({ from, to })
    const [end] = cursor === undefined ? [span.end] : requirePlace(cursor, query, LastDay)
    const audits = await listDayAudits(limitedReads, { from: span.from, end, limit: limit + 1 })
    const { shown, next_cursor } = pageOf(audits, limit, ({ usage_date }) => writePlace(query, [usage_date]))
    return { audits: shown.map(auditAnswer), next_cursor }
  })
}

/** The last day of the previous page; the next page ends before it. */
const LastDay = z.tuple([z.string().refine(isDay)])

export function runAudit(app: FastifyInstance, { clickhouse, registry, runBetweenBatches, aggregating }: OperatorContext): void {
  const slot = aggregating?.auditSlot ?? new AuditSlot()
  addRoute(app, RUN_AUDIT, { access: OPERATOR }, async (request) => {
    const { from, to, project_id } = request.body ?? {}
    const outcome = await slot.runRequested(async () => {
      // An audit requests repairs of the differences that it finds, so it is a change and is noted as one.
      await registry.changes.note(actorOf(request), { action: 'audit.run', subject: project_id ?? 'all', details: { from: from ?? null, to: to ?? null } })
      return audit(clickhouse, { ...spanOf({ from, to }), projectId: project_id }, runBetweenBatches)
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
  })
}

interface OptionalDays {
  readonly from: string | undefined
  readonly to: string | undefined
}

/** `end` is exclusive. */
function spanOf({ from, to }: OptionalDays): { from: string; end: string } {
  return { from: from ?? FIRST_DAY, end: to === undefined ? DAY_AFTER_LAST : dayAfter(to) }
}

const FIRST_DAY = '1970-01-01'

function auditAnswer(audit: DayAudit): AnswerOf<typeof LIST_AUDITS>['audits'][number] {
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
