import type { FastifyInstance } from 'fastify'
import type { ApiContext } from './context.ts'
import { StatementStreams } from './http/open-streams.ts'
import { provisionerMetrics } from './prometheus/provisioner-metrics.ts'
import { accountRoutes } from './routes/accounts.ts'
import { adminProjectRoutes } from './routes/admin-projects.ts'
import { adminTokenRoutes } from './routes/admin-tokens.ts'
import { listAuditLog, listAuditLogAtAudit } from './routes/audit-log.ts'
import { listAudits, runAudit } from './routes/audits.ts'
import { authorizationRoutes } from './routes/authorization.ts'
import { coBrandedRoutes } from './routes/co-branded.ts'
import { acceptEventBodies, sendEvents } from './routes/events.ts'
import { explainOwnUsage, explainUsage } from './routes/explain.ts'
import { exportLines, exportOwnStatement, getExportManifest } from './routes/exports.ts'
import { getLiveness, getMetrics, getReadiness } from './routes/health.ts'
import { getHome } from './routes/home.ts'
import { ingestKeyRoutes } from './routes/ingest-keys.ts'
import { auditTopicRoute, listLogsRoute, repartitionTopic, replayLog, resetLog } from './routes/logs.ts'
import { partnerProjectRoutes } from './routes/partner-projects.ts'
import { partnerSecretRoutes } from './routes/partner-secrets.ts'
import { partnerRoutes } from './routes/partners.ts'
import { projectRoutes } from './routes/projects.ts'
import { rebuildMonth } from './routes/rebuilds.ts'
import { rewrapRoutes } from './routes/reencrypt.ts'
import { listOwnRejectedEvents, listRejectedEvents, resendRejectedEvents } from './routes/rejected-events.ts'
import { secretRoutes } from './routes/secrets.ts'
import { signingKeyRoutes } from './routes/signing-keys.ts'
import { listSilentProjectsRoute } from './routes/silent-projects.ts'
import { addAdjustment, closeMonthRoute, getOwnStatement, getStatement, listOwnStatements, listStatementsRoute } from './routes/statements.ts'
import { getPartnershipUsage, getProjectUsage } from './routes/usage.ts'

/** Every route there is. */
export function addRoutes(app: FastifyInstance, context: ApiContext): void {
  // What is asked from outside is limited in the store; what works on all there is asks the store itself.
  const asking: ApiContext = { ...context, clickhouse: context.limitedReads }
  getHome(app)
  getLiveness(app)
  getReadiness(app, context)
  getMetrics(app, context)
  if (context.provisioner !== undefined) provisionerMetrics(app.metrics, context.provisioner)
  addEventRoutes(app, context)
  getPartnershipUsage(app, context)
  getProjectUsage(app, context)
  projectRoutes(app, context)
  coBrandedRoutes(app, context)
  partnerProjectRoutes(app, asking)
  authorizationRoutes(app, context)
  addExplainRoutes(app, context)
  listSilentProjectsRoute(app, context)
  const statementStreams = new StatementStreams()
  listOwnStatements(app, context)
  getOwnStatement(app, context, statementStreams)
  closeMonthRoute(app, context, statementStreams)
  listStatementsRoute(app, context)
  getStatement(app, context, statementStreams)
  addAdjustment(app, context)
  exportOwnStatement(app, context)
  exportLines(app, context)
  getExportManifest(app, context)
  partnerRoutes(app, context)
  partnerSecretRoutes(app, context)
  ingestKeyRoutes(app, context)
  adminProjectRoutes(app, context)
  accountRoutes(app, context)
  listRejectedEvents(app, context)
  resendRejectedEvents(app, context)
  adminTokenRoutes(app, context)
  signingKeyRoutes(app, context)
  listAuditLog(app, context)
  listAuditLogAtAudit(app, context)
  listAudits(app, context)
  runAudit(app, context)
  listLogsRoute(app, context)
  resetLog(app, context)
  repartitionTopic(app, context)
  replayLog(app, context)
  auditTopicRoute(app, context)
  rebuildMonth(app, context)
  secretRoutes(app, context)
  rewrapRoutes(app, context)
}

/** These routes have a scope of their own, because their bodies stay bytes. */
function addEventRoutes(parent: FastifyInstance, context: ApiContext): void {
  parent.register(async (app) => {
    acceptEventBodies(app)
    sendEvents(app, context)
    listOwnRejectedEvents(app, context)
  })
}

/** These routes share one session of the store, so that a slow explanation delays other explanations only. */
function addExplainRoutes(parent: FastifyInstance, context: ApiContext): void {
  parent.register(async (app) => {
    const explaining = { clickhouse: context.limitedReads, lane: await context.limitedReads.openLane() }
    explainOwnUsage(app, context, explaining)
    explainUsage(app, context, explaining)
  })
}
