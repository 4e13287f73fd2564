import type { FastifyInstance } from 'fastify'
import type { ApiContext } from './context.ts'
import { StatementStreams } from './http/open-streams.ts'
import { provisionerMetrics } from './prometheus/provisioner-metrics.ts'
import { accountRoutes } from './routes/accounts.ts'
import { adminProjectRoutes } from './routes/admin-projects.ts'
import { adminTokenRoutes } from './routes/admin-tokens.ts'
import { auditLogRoutes } from './routes/audit-log.ts'
import { auditRoutes } from './routes/audits.ts'
import { authorizationRoutes } from './routes/authorization.ts'
import { coBrandedRoutes } from './routes/co-branded.ts'
import { eventRoutes } from './routes/events.ts'
import { explainRoutes } from './routes/explain.ts'
import { exportRoutes, statementExportRoutes } from './routes/exports.ts'
import { healthRoutes } from './routes/health.ts'
import { homeRoutes } from './routes/home.ts'
import { ingestKeyRoutes } from './routes/ingest-keys.ts'
import { logRoutes } from './routes/logs.ts'
import { partnerProjectRoutes } from './routes/partner-projects.ts'
import { partnerSecretRoutes } from './routes/partner-secrets.ts'
import { partnerRoutes } from './routes/partners.ts'
import { projectRoutes } from './routes/projects.ts'
import { rebuildRoutes } from './routes/rebuilds.ts'
import { rewrapRoutes } from './routes/reencrypt.ts'
import { rejectedEventRoutes } from './routes/rejected-events.ts'
import { secretRoutes } from './routes/secrets.ts'
import { signingKeyRoutes } from './routes/signing-keys.ts'
import { silentProjectRoutes } from './routes/silent-projects.ts'
import { closingRoutes, statementRoutes } from './routes/statements.ts'
import { getPartnershipUsage, getProjectUsage } from './routes/usage.ts'

/** Every route there is. */
export function addRoutes(app: FastifyInstance, context: ApiContext): void {
  // What is asked from outside is limited in the store; what works on all there is asks the store itself.
  const asking: ApiContext = { ...context, clickhouse: context.limitedReads }
  homeRoutes(app)
  healthRoutes(app, context)
  if (context.provisioner !== undefined) provisionerMetrics(app.metrics, context.provisioner)
  eventRoutes(app, asking)
  getPartnershipUsage(app, context)
  getProjectUsage(app, context)
  projectRoutes(app, context)
  coBrandedRoutes(app, context)
  partnerProjectRoutes(app, asking)
  authorizationRoutes(app, context)
  explainRoutes(app, asking)
  silentProjectRoutes(app, asking)
  const statementStreams = new StatementStreams()
  statementRoutes(app, asking, statementStreams)
  closingRoutes(app, context, statementStreams)
  statementExportRoutes(app, context)
  exportRoutes(app, context)
  partnerRoutes(app, context)
  partnerSecretRoutes(app, context)
  ingestKeyRoutes(app, context)
  adminProjectRoutes(app, context)
  accountRoutes(app, context)
  rejectedEventRoutes(app, context)
  adminTokenRoutes(app, context)
  signingKeyRoutes(app, context)
  auditLogRoutes(app, context)
  auditRoutes(app, context)
  logRoutes(app, context)
  rebuildRoutes(app, context)
  secretRoutes(app, context)
  rewrapRoutes(app, context)
}
