import type { LIST_AUDITS, RUN_AUDIT } from '../../../contract/audits.ts'
import type { AnswerOf } from '../../../contract/operation.ts'
import { periodOfMonth } from '../../address/period.ts'
import { call } from '../../calls/call.ts'
import type { AsText } from '../../calls/numbers-as-text.ts'
import { caller } from '../../session/session.ts'

type AuditPage = AsText<AnswerOf<typeof LIST_AUDITS>>
export type DayAudit = AuditPage['audits'][number]
export type AuditReport = AsText<AnswerOf<typeof RUN_AUDIT>>

const DAYS_PER_PAGE = 100

/** The stored audits of a month by day, page by page. */
export async function readMonthAudits(month: string, signal: AbortSignal): Promise<ReadonlyMap<string, DayAudit>> {
  const { first, last } = periodOfMonth(month)
  const days = new Map<string, DayAudit>()
  let cursor: string | undefined
  do {
    const query: { from: string; to: string; limit: number; cursor: string | undefined } = { from: first, to: last, limit: DAYS_PER_PAGE, cursor }
    const page: AuditPage = await call<typeof LIST_AUDITS>(caller(signal), { method: 'GET', path: '/admin/v1/audits', query })
    for (const audit of page.audits) days.set(audit.usage_date, audit)
    cursor = page.next_cursor ?? undefined
  } while (cursor !== undefined)
  return days
}

export function runAudit({ from, to }: { from: string; to: string }): Promise<AuditReport> {
  return call<typeof RUN_AUDIT>(caller(), { method: 'POST', path: '/admin/v1/audits', body: { from, to } })
}
