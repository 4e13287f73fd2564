import type { FastifyInstance } from 'fastify'
import { METRICS_READER } from './auth/access.ts'
import type { ApiContext, OperatorContext } from './context.ts'
import { ExportSlots } from './http/export-slots.ts'
import { StatementStreams } from './http/open-streams.ts'
import { auditLogMetrics } from './prometheus/audit-log-metrics.ts'
import { provisionerMetrics } from './prometheus/provisioner-metrics.ts'
import { getAccount, listAccountsRoute, setAccountPlanRoute } from './routes/accounts.ts'
import { getProject, listProjectsRoute } from './routes/admin-projects.ts'
import { createAdminTokenRoute, listAdminTokensRoute, revokeAdminTokenRoute } from './routes/admin-tokens.ts'
import { listAuditLog, listAuditLogAtAudit } from './routes/audit-log.ts'
import { listAudits, runAudit } from './routes/audits.ts'
import { authorizeProjectRoute, getJwks } from './routes/authorization.ts'
import { connectUser, getAccountProjectMetadata, syncAccountProjectRoute } from './routes/co-branded.ts'
import { addBatchRoutes, sendBatchEvents } from './routes/correction-batches.ts'
import { listCorrectionsRoute, submitCorrections } from './routes/corrections.ts'
import { serveDashboard } from './routes/dashboard.ts'
import { listDeliveriesRoute } from './routes/deliveries.ts'
import { acceptEventBodies, sendEvents } from './routes/events.ts'
import { explainOwnUsage, explainUsage } from './routes/explain.ts'
import { exportLines, exportOwnStatement, getExportManifest } from './routes/exports.ts'
import { getLiveness, getReadiness, getVersion } from './routes/health.ts'
import { getHealthReport } from './routes/health-report.ts'
import { createIngestKeyRoute, listIngestKeysRoute, revokeIngestKeyRoute } from './routes/ingest-keys.ts'
import { auditTopicRoute, getSource, listLogsRoute, repartitionTopic, replayLog, resetLog, useSource } from './routes/logs.ts'
import { defineMetricRoute, listMetricsRoute, listOwnMetricsRoute } from './routes/metric-definitions.ts'
import { collectMetrics, getMetrics } from './routes/metrics.ts'
import { listPartnerProjects, listProjectsOfPartner } from './routes/partner-projects.ts'
import { addPartnerSecretRoute, revokePartnerSecretRoute } from './routes/partner-secrets.ts'
import { createPartnerTokenRoute } from './routes/partner-tokens.ts'
import { createPartnerRoute, getPartner, listPartnersRoute, updatePartner } from './routes/partners.ts'
import {
  deleteProjectRoute,
  endProvisioningWaitsOnClose,
  getProjectMetadata,
  pauseProjectRoute,
  restoreProjectRoute,
  syncEmbeddedProjectRoute,
} from './routes/projects.ts'
import { rebuildMonth } from './routes/rebuilds.ts'
import { reencrypt } from './routes/reencrypt.ts'
import { registerProjectRoute, registerProjectsRoute } from './routes/register-projects.ts'
import { dropRejectedEvents, listOwnRejectedEvents, listRejectedEvents, resendRejectedEvents } from './routes/rejected-events.ts'
import {
  createScheduleRoute,
  deleteScheduleRoute,
  getScheduleRoute,
  listExecutionsRoute,
  listSchedulesRoute,
  runScheduleRoute,
  updateScheduleRoute,
} from './routes/schedules.ts'
import { createSecretRoute, deleteSecretRoute, getSecret, listSecretsRoute, updateSecretRoute } from './routes/secrets.ts'
import { listServiceLogs } from './routes/service-logs.ts'
import { listSigningKeys, rotateSigningKeyRoute } from './routes/signing-keys.ts'
import { listSilentProjectsRoute } from './routes/silent-projects.ts'
import { listOwnSpikesRoute, listSpikesRoute } from './routes/spikes.ts'
import { addAdjustment, closeMonthRoute, getOwnStatement, getStatement, listOwnStatements, listStatementsRoute } from './routes/statements.ts'
import { addOwnThresholdRoutes, addThresholdRoutes } from './routes/thresholds.ts'
import { listUnregisteredProjectsRoute } from './routes/unregistered-projects.ts'
import { getPartnershipUsage, getProjectUsage, getUsageOfPartner, getUsageOfProject } from './routes/usage.ts'
import { getOwnProjection, getOwnProjectionOfProject, getProjectionOfPartner, getProjectionOfProject } from './routes/usage-projection.ts'
import { addOwnWebhookRoutes, addWebhookRoutes } from './routes/webhooks.ts'

/** Every route there is. */
export function addRoutes(app: FastifyInstance, context: OperatorContext): void {
  serveDashboard(app, context)
  getLiveness(app)
  getReadiness(app, context)
  getVersion(app, context)
  collectMetrics(app, context)
  if (!context.hasMetricsListener) getMetrics(app, { access: METRICS_READER, isPolled: true })
  auditLogMetrics(app.metrics, context.auditHead)
  if (context.provisioner !== undefined) provisionerMetrics(app.metrics, context.provisioner)
  addEventRoutes(app, context)
  getPartnershipUsage(app, context)
  getUsageOfPartner(app, context)
  getOwnProjection(app, context)
  getProjectionOfPartner(app, context)
  getProjectUsage(app, context)
  getUsageOfProject(app, context)
  getOwnProjectionOfProject(app, context)
  getProjectionOfProject(app, context)
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
  listProjectsOfPartner(app, context)
  createPartnerTokenRoute(app, context)
  authorizeProjectRoute(app, context)
  getJwks(app, context)
  addExplainRoutes(app, context)
  defineMetricRoute(app, context)
  listMetricsRoute(app, context)
  listOwnMetricsRoute(app, context)
  submitCorrections(app, context)
  listCorrectionsRoute(app, context)
  addBatchRoutes(app, context)
  listSilentProjectsRoute(app, context)
  listUnregisteredProjectsRoute(app, context)
  const statementStreams = new StatementStreams()
  listOwnStatements(app, context)
  getOwnStatement(app, context, statementStreams)
  closeMonthRoute(app, context, statementStreams)
  listStatementsRoute(app, context)
  getStatement(app, context, statementStreams)
  addAdjustment(app, context)
  const exportSlots = new ExportSlots()
  exportOwnStatement(app, context, exportSlots)
  exportLines(app, context, exportSlots)
  getExportManifest(app, context, exportSlots)
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
  registerProjectsRoute(app, context)
  listProjectsRoute(app, context)
  getProject(app, context)
  listAccountsRoute(app, context)
  getAccount(app, context)
  setAccountPlanRoute(app, context)
  listRejectedEvents(app, context)
  resendRejectedEvents(app, context)
  dropRejectedEvents(app, context)
  createAdminTokenRoute(app, context)
  listAdminTokensRoute(app, context)
  revokeAdminTokenRoute(app, context)
  rotateSigningKeyRoute(app, context)
  listSigningKeys(app, context)
  listAuditLog(app, context)
  listAuditLogAtAudit(app, context)
  listAudits(app, context)
  runAudit(app, context)
  listServiceLogs(app, context)
  getHealthReport(app, context)
  listLogsRoute(app, context)
  getSource(app, context)
  useSource(app, context)
  resetLog(app, context)
  repartitionTopic(app, context)
  replayLog(app, context)
  auditTopicRoute(app, context)
  rebuildMonth(app, context)
  listSecretsRoute(app, context)
  createSecretRoute(app, context)
  getSecret(app, context)
  updateSecretRoute(app, context)
  deleteSecretRoute(app, context)
  reencrypt(app, context)
  listSchedulesRoute(app, context)
  createScheduleRoute(app, context)
  getScheduleRoute(app, context)
  updateScheduleRoute(app, context)
  deleteScheduleRoute(app, context)
  runScheduleRoute(app, context)
  listExecutionsRoute(app, context)
  listDeliveriesRoute(app, context)
  addWebhookRoutes(app, context)
  addOwnWebhookRoutes(app, context)
  addThresholdRoutes(app, context)
  addOwnThresholdRoutes(app, context)
  listSpikesRoute(app, context)
  listOwnSpikesRoute(app, context)
}

/** These routes have a scope of their own, because their bodies stay bytes. */
function addEventRoutes(parent: FastifyInstance, context: ApiContext): void {
  parent.register(async (app) => {
    acceptEventBodies(app)
    sendEvents(app, context)
    sendBatchEvents(app, context)
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
