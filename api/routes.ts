import type { FastifyInstance } from 'fastify'
import type { ApiContext } from './context.ts'
import { StatementStreams } from './http/open-streams.ts'
import { provisionerMetrics } from './prometheus/provisioner-metrics.ts'
import { getAccount, listAccountsRoute, setAccountPlanRoute } from './routes/accounts.ts'
import { getProject, listProjectsRoute, registerProjectRoute } from './routes/admin-projects.ts'
import { createAdminTokenRoute } from './routes/admin-tokens.ts'
import { auditLogRoutes } from './routes/audit-log.ts'
import { auditRoutes } from './routes/audits.ts'
import { authorizeProjectRoute, getJwks } from './routes/authorization.ts'
import { connectUser, getAccountProjectMetadata, syncAccountProjectRoute } from './routes/co-branded.ts'
import { eventRoutes } from './routes/events.ts'
import { explainRoutes } from './routes/explain.ts'
import { exportRoutes, statementExportRoutes } from './routes/exports.ts'
import { healthRoutes } from './routes/health.ts'
import { homeRoutes } from './routes/home.ts'
import { createIngestKeyRoute, listIngestKeysRoute, revokeIngestKeyRoute } from './routes/ingest-keys.ts'
import { logRoutes } from './routes/logs.ts'
import { listPartnerProjects } from './routes/partner-projects.ts'
import { addPartnerSecretRoute, revokePartnerSecretRoute } from './routes/partner-secrets.ts'
import { createPartnerRoute, getPartner, listPartnersRoute, updatePartner } from './routes/partners.ts'
import {
  deleteProjectRoute,
  endProvisioningWaitsOnClose,
  getProjectMetadata,
  pauseProjectRoute,
  restoreProjectRoute,
  syncEmbeddedProjectRoute,
} from './routes/projects.ts'
import { rebuildRoutes } from './routes/rebuilds.ts'
import { reencrypt } from './routes/reencrypt.ts'
import { rejectedEventRoutes } from './routes/rejected-events.ts'
import { createSecretRoute, deleteSecretRoute, getSecret, listSecretsRoute, updateSecretRoute } from './routes/secrets.ts'
import { listSigningKeys, rotateSigningKeyRoute } from './routes/signing-keys.ts'
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
  endProvisioningWaitsOnClose(app, context)
  syncEmbeddedProjectRoute(app, context)
  getProjectMetadata(app, context)
  pauseProjectRoute(app, context)
  restoreProjectRoute(app, context)
  deleteProjectRoute(app, context)
  connectUser(app, context)
  syncAccountProjectRoute(app, context)
  getAccountProjectMetadata(app, context)
  listPartnerProjects(app, context)
  authorizeProjectRoute(app, context)
  getJwks(app, context)
  explainRoutes(app, asking)
  silentProjectRoutes(app, asking)
  const statementStreams = new StatementStreams()
  statementRoutes(app, asking, statementStreams)
  closingRoutes(app, context, statementStreams)
  statementExportRoutes(app, context)
  exportRoutes(app, context)
  createPartnerRoute(app, context)
  listPartnersRoute(app, context)
  getPartner(app, context)
  updatePartner(app, context)
  addPartnerSecretRoute(app, context)
  revokePartnerSecretRoute(app, context)
  createIngestKeyRoute(app, context)
  listIngestKeysRoute(app, context)
  revokeIngestKeyRoute(app, context)
  registerProjectRoute(app, context)
  listProjectsRoute(app, context)
  getProject(app, context)
  listAccountsRoute(app, context)
  getAccount(app, context)
  setAccountPlanRoute(app, context)
  rejectedEventRoutes(app, context)
  createAdminTokenRoute(app, context)
  rotateSigningKeyRoute(app, context)
  listSigningKeys(app, context)
  auditLogRoutes(app, context)
  auditRoutes(app, context)
  logRoutes(app, context)
  rebuildRoutes(app, context)
  listSecretsRoute(app, context)
  createSecretRoute(app, context)
  getSecret(app, context)
  updateSecretRoute(app, context)
  deleteSecretRoute(app, context)
  reencrypt(app, context)
}
