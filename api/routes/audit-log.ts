import type { FastifyInstance } from 'fastify'
import type { AuditEntry } from '../../contract/audit-chain.ts'
import { AuditDetails, LIST_AUDIT_LOG, LIST_AUDIT_LOG_AT_AUDIT } from '../../contract/audit-log.ts'
import type { QueryOf } from '../../contract/operation.ts'
import { listAuditEntries } from '../../registry/audit-log.ts'
import { FINANCE } from '../auth/access.ts'
import type { ApiContext } from '../context.ts'
import { pageOf } from '../requests/cursor.ts'
import { addRoute } from '../route.ts'

export function listAuditLog(app: FastifyInstance, context: ApiContext): void {
  addRoute(app, LIST_AUDIT_LOG, { access: FINANCE }, async (request) => auditLogPage(context, request.query))
}

export function listAuditLogAtAudit(app: FastifyInstance, context: ApiContext): void {
  addRoute(app, LIST_AUDIT_LOG_AT_AUDIT, { access: FINANCE }, async (request) => auditLogPage(context, request.query))
}

async function auditLogPage({ limitedReads }: ApiContext, { order, cursor, limit, action, subject }: QueryOf<typeof LIST_AUDIT_LOG>) {
  const entries = await listAuditEntries(limitedReads, { newestFirst: order === 'newest', after: cursor, action, subject, limit: limit + 1 })
  const { shown, next_cursor } = pageOf(entries, limit, ({ seq }) => String(seq))
  return { entries: shown.map(entryAnswer), next_cursor }
}

function entryAnswer({ details, ...entry }: AuditEntry) {
  return { ...entry, details: AuditDetails.parse(JSON.parse(details)) }
}
