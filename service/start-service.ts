import { uptime } from 'node:os'
import type { Logger } from 'pino'
import { type BackgroundJobs, startBackgroundJobs } from '../aggregator/background-jobs.ts'
import { Exports } from '../aggregator/exports/exports.ts'
import { CachedCompleteness } from '../aggregator/usage/completeness.ts'
import { RememberedUsage } from '../aggregator/usage/remembered-usage.ts'
import { buildApp } from '../api/app.ts'
import type { ApiContext } from '../api/context.ts'
import { buildHealthApp } from '../api/health-app.ts'
import { buildMetricsApp } from '../api/metrics-app.ts'
import { listen } from '../api/server.ts'
import type { ServiceLogs } from '../api/service-logs/service-logs.ts'
import type { Build } from '../contract/health.ts'
import { KnownMetrics } from '../ingest/event/known-metrics.ts'
import { HTTP_LOG, openHttpLog } from '../ingest/http/http-log.ts'
import { openKafkaLog } from '../ingest/kafka/open-kafka.ts'
import type { EventLog, Ingesting } from '../ingest/log/event-log.ts'
import { SERVICE } from '../registry/audit-log.ts'
import { RegistryChanges } from '../registry/changes.ts'
import { isSealed } from '../registry/keys/pepper.ts'
import { openRegistry } from '../registry/open-registry.ts'
import { Provisioner } from '../registry/provisioner/provisioner.ts'
import type { Registry } from '../registry/registry.ts'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { limitReads } from '../sql/limited-reads.ts'
import { readBuild } from './build.ts'
import { Closers } from './closers.ts'
import type { Config } from './config.ts'
import { flushLastUsed } from './flush-last-used.ts'
import { hiddenSecretsOf } from './hidden-secrets.ts'
import { identityIndexOf } from './identity-index-of.ts'
import { configuredMasterKeys, type InstanceSecrets, loadInstanceSecrets } from './instance-secrets.ts'
import { topicOptionsOf } from './kafka-options.ts'
import { openAutomation } from './open-automation.ts'
import type { Logging } from './open-logging.ts'
import { openStore, prepareStore } from './open-store.ts'
import { publishAuditHead } from './publish-audit-head.ts'
import { registryOptionsOf } from './registry-options.ts'
import { rotateSigningKeysWhenDue } from './rotate-signing-keys.ts'
import { openTracing } from './tracing/open-tracing.ts'
import { exportOptionsOf } from './tracing/variables.ts'
import { warnUnsealedKeys } from './warn-unsealed-keys.ts'

export interface Service {
  readonly url: string
  /** The listener of METRICS_PORT. */
  readonly metricsUrl: string | undefined
  readonly clickhouse: ClickHouse
  /** Empty in a process without an API. */
  readonly adminToken: string
  readonly adminTokenPath: string | undefined
  readonly build: Build
  /** Says in the readiness that the service is stopping, and goes on serving for DRAIN_MS, if it serves callers. */
  drain(): Promise<void>
  /** Completes the requests and batches that have begun, then closes everything. No acknowledged event is lost. */
  stop(): Promise<void>
  /** Rejects when the service can no longer write events; the caller must then stop it. */
  readonly failed: Promise<never>
}

/** What a process does: everything, or one part. Any number of processes may run a part against one Kafka and one ClickHouse server. */
export type ServicePart = 'all' | 'ingest' | 'aggregate' | 'api'

/** Opens store, registry, event log and api in the order in which they need each other. A failure closes what was opened. */
export async function startService(config: Config, { logger, recentLogs }: Logging, part: ServicePart = 'all'): Promise<Service> {
  requireShareable(config, part)
  const closers = new Closers()
  const build = readBuild()
  let stopping = false
  let onFailed: (error: Error) => void = () => {}
  const failed = new Promise<never>((_, reject) => {
    onFailed = reject
  })
  // Otherwise a failure that no caller awaits, for example during a stop, would end the process as an unhandled rejection.
  failed.catch(() => {})
  try {
    const traces = exportOptionsOf(config)
    if (traces !== undefined) {
      const { attributes } = traces
      const tracing = await openTracing({ ...traces, attributes: { 'service.version': build.version, 'meterline.part': part, ...attributes } }, logger)
      closers.add(() => tracing.close())
    }
    const clickhouse = await openStore(config, { logger })
    closers.add(() => clickhouse.close())
    const migrations = await prepareStore(config, clickhouse, { logger, to: 'serve' })
    if (migrations.length > 0) logger.info({ migrations: migrations.map(({ name }) => name) }, 'migrations applied')
    const hasApi = part === 'all' || part === 'api'
    const secrets = hasApi ? loadInstanceSecrets(config, { storeHoldsSealedData: await isSealed(clickhouse) }) : undefined
    const serviceLogs = { recentLogs, part, secrets: hiddenSecretsOf(config, secrets) }
    const app = await buildAppOf({ config, clickhouse, logger, serviceLogs, secrets, closers, onFailed, build, isStopping: () => stopping }, part)
    const listening = await listen(app, { host: config.HOST, port: config.PORT })
    closers.add(() => listening.close())
    const metricsUrl = await listenForMetrics(config, { app, logger, closers })
    const { adminToken = '', adminTokenPath } = secrets ?? {}
    const drain = async () => {
      stopping = true
      // No load balancer sends requests to the other parts.
      if (part === 'all' || part === 'api') await new Promise((resolve) => setTimeout(resolve, config.DRAIN_MS))
    }
    return { url: listening.url, metricsUrl, clickhouse, adminToken, adminTokenPath, build, drain, stop: () => closers.closeAll(), failed }
  } catch (error) {
    await closers.closeAll()
    throw error
  }
}

/** Undefined without METRICS_PORT. */
async function listenForMetrics(
  { METRICS_HOST: host, METRICS_PORT: port }: Config,
  { app, logger, closers }: Pick<PartOptions, 'logger' | 'closers'> & { app: { metrics: Parameters<typeof buildMetricsApp>[0] } },
): Promise<string | undefined> {
  if (port === undefined) return undefined
  const metricsApp = await buildMetricsApp(app.metrics, logger)
  const listening = await listen(metricsApp, { host, port, names: { host: 'METRICS_HOST', port: 'METRICS_PORT' } })
  closers.add(() => listening.close())
  return listening.url
}

/**
 * Several processes need a ClickHouse server, because only one process can open an embedded engine. `ingest` and `api` also need
 * Kafka, because the http log has one writer.
 */
function requireShareable({ KAFKA_BROKERS, CLICKHOUSE_URL }: Config, part: ServicePart): void {
  if (part === 'all' || (CLICKHOUSE_URL !== undefined && (KAFKA_BROKERS !== undefined || part === 'aggregate'))) return
  const needed = part === 'aggregate' ? 'CLICKHOUSE_URL' : 'KAFKA_BROKERS and CLICKHOUSE_URL'
  throw new Error(`"meterline ${part}" is one of several processes and needs ${needed}. To run everything in one process, use "meterline start".`)
}

interface PartOptions {
  readonly config: Config
  readonly clickhouse: ClickHouse
  readonly logger: Logger
  readonly serviceLogs: ServiceLogs
  /** Undefined in a process without an API, which needs none. */
  readonly secrets: InstanceSecrets | undefined
  readonly closers: Closers
  readonly onFailed: (error: Error) => void
  readonly build: Build
  readonly isStopping: () => boolean
}

/** Starts what the part does and builds its HTTP app: the API, or only health and metrics. */
async function buildAppOf(options: PartOptions, part: ServicePart) {
  const { config, clickhouse, logger, serviceLogs, closers, onFailed, build, isStopping } = options
  const hasMetricsListener = config.METRICS_PORT !== undefined
  const apiLogger = logger.child({ source: 'api' })
  const common = { logger: apiLogger, serviceLogs, logRequests: config.LOG_REQUESTS, adminToken: config.ADMIN_TOKEN, hasMetricsListener, build, isStopping }
  if (part === 'aggregate') {
    const changes = new RegistryChanges(clickhouse)
    const masterKeys = configuredMasterKeys(config)
    const aggregating = await openBackgroundJobs(options, { runBetweenBatches: runAfterDelay, changes })
    const automating = await openAutomation(options, { changes, masterKeys })
    return buildHealthApp({ ...common, ingesting: undefined, aggregating, automating })
  }
  const knownMetrics = new KnownMetrics(clickhouse.reads)
  const log = await openLog({ config, clickhouse, knownMetrics, logger: logger.child({ source: 'ingest' }), part, onFailed })
  closers.add(() => log.stop())
  if (part === 'ingest') return buildHealthApp({ ...common, ingesting: log.ingesting, knownMetrics, aggregating: undefined, automating: undefined })
  return buildApiApp(options, { ...log, knownMetrics }, part)
}

async function openBackgroundJobs(
  { config, clickhouse, logger, closers }: PartOptions,
  { runBetweenBatches, changes }: { runBetweenBatches: ApiContext['runBetweenBatches']; changes: RegistryChanges },
): Promise<BackgroundJobs> {
  const graceHours = config.CLOSE_GRACE_HOURS
  if (graceHours < GRACE_HOURS_MIN)
    logger.warn({ graceHours }, `CLOSE_GRACE_HOURS is less than ${GRACE_HOURS_MIN}: a wrong clock can close a month too early, so set it to at least that`)
  const jobs = await startBackgroundJobs({
    clickhouse,
    logger: logger.child({ source: 'aggregate' }),
    auditLogger: logger.child({ source: 'audit' }),
    runBetweenBatches,
    identityIndex: identityIndexOf(clickhouse),
    now: Date.now,
    uptimeMs: () => uptime() * MS_PER_SECOND,
    graceMs: graceHours * MS_PER_HOUR,
    note: (noted) => changes.note(SERVICE, noted),
  })
  closers.add(() => jobs.stop())
  return jobs
}

/** In less, there is no stored evidence that time has passed (time-evidence.ts): it needs heartbeats on two days. */
const GRACE_HOURS_MIN = 48
const MS_PER_SECOND = 1_000
const MS_PER_HOUR = 3_600_000

interface OpenedLog {
  readonly eventLog: EventLog
  readonly ingesting: Ingesting
  readonly runBetweenBatches: ApiContext['runBetweenBatches']
  readonly topic: ApiContext['topic']
  readonly source: ApiContext['source']
  stop(): Promise<void>
}

interface OpenLogOptions {
  readonly config: Config
  readonly clickhouse: ClickHouse
  readonly knownMetrics: KnownMetrics
  readonly logger: Logger
  readonly part: ServicePart
  readonly onFailed: (error: Error) => void
}

async function openLog({ config, clickhouse, knownMetrics: metrics, logger, part, onFailed }: OpenLogOptions): Promise<OpenedLog> {
  const topic = topicOptionsOf(config)
  if (topic === undefined) {
    const http = await openHttpLog({ clickhouse, logger, onLost: onFailed })
    return { eventLog: http, ingesting: http, runBetweenBatches: http.runBetweenBatches, topic: undefined, source: () => HTTP_LOG, stop: () => http.stop() }
  }
  const parts = { produce: part !== 'ingest', ingest: part !== 'api' }
  const kafka = openKafkaLog({ clickhouse, topic, parts, metrics, logger, onRefused: onFailed })
  return {
    eventLog: kafka,
    ingesting: kafka,
    runBetweenBatches: runAfterDelay,
    topic: () => kafka.topic(),
    source: () => kafka.topic().name,
    stop: () => kafka.stop(),
  }
}

/** Other processes write the logs too, and this one cannot lock them. Batches that are in flight now will have been stored after the delay. */
async function runAfterDelay<T>(work: () => Promise<T>): Promise<T> {
  await new Promise((resolve) => setTimeout(resolve, DELAY_MS))
  return work()
}

const DELAY_MS = 500

/** Only a process that does everything runs the background jobs beside the API. */
async function buildApiApp(options: PartOptions, log: OpenedLog & Pick<ApiContext, 'knownMetrics'>, part: ServicePart) {
  const { config, clickhouse, logger, serviceLogs, secrets, closers, build, isStopping } = options
  if (secrets === undefined) throw new Error('A process with an API needs its secrets.')
  const registry = await openRegistry(registryOptionsOf(config, clickhouse, secrets))
  const lastUsed = flushLastUsed(registry, logger)
  closers.add(() => lastUsed.stop())
  const aggregating = part === 'all' ? await openBackgroundJobs(options, { runBetweenBatches: log.runBetweenBatches, changes: registry.changes }) : undefined
  const automating = part === 'all' ? await openAutomation(options, { changes: registry.changes, masterKeys: secrets.masterKeys }) : undefined
  await warnUnsealedKeys(registry, logger)
  if (config.CLICKHOUSE_URL !== undefined && config.PUBLIC_URL === undefined)
    logger.warn(
      { issuer: registry.publicUrl },
      'PUBLIC_URL is not set: tokens name the address of this process as their issuer, and processes at other addresses reject them',
    )
  const signingKeys = await rotateSigningKeysWhenDue(registry, { days: config.SIGNING_KEY_DAYS, logger })
  closers.add(() => signingKeys.stop())
  const auditHead = publishAuditHead(clickhouse, logger.child({ source: 'audit' }))
  closers.add(() => auditHead.stop())
  const exports = new Exports({ registry, generator: `meterline ${build.version}`, currency: config.CURRENCY, now: Date.now })
  closers.add(() => exports.stop())
  const limitedReads = limitReads(clickhouse, { rowsMax: config.READ_ROWS_MAX })
  return buildApp({
    clickhouse,
    limitedReads,
    registry,
    provisioner: openProvisioner({ config, logger, closers, registry }),
    outgoing: { allowed: config.OUTGOING_ALLOW },
    eventLog: log.eventLog,
    knownMetrics: log.knownMetrics,
    ingesting: log.ingesting,
    aggregating,
    automating,
    completeness: new CachedCompleteness(clickhouse),
    rememberedUsage: new RememberedUsage(limitedReads, Date.now),
    topic: log.topic,
    source: log.source,
    exports,
    automation: { allowed: config.OUTGOING_ALLOW, exportDir: config.EXPORT_DIR },
    adminToken: secrets.adminToken,
    auditHead: () => auditHead.current(),
    runBetweenBatches: log.runBetweenBatches,
    hasMetricsListener: config.METRICS_PORT !== undefined,
    logger: logger.child({ source: 'api' }),
    serviceLogs,
    build,
    isStopping,
    logRequests: config.LOG_REQUESTS,
    now: Date.now,
    trustedProxies: config.TRUSTED_PROXIES,
    requestsPerMinute: config.RATE_LIMIT_PER_MINUTE,
    eventRequestsPerMinute: config.EVENT_REQUESTS_PER_MINUTE,
    pastMonthsPerMinute: config.PAST_MONTHS_PER_MINUTE,
    authFailuresPerMinute: config.AUTH_FAILURES_PER_MINUTE,
    corsOrigins: config.CORS_ORIGINS,
    embedOrigins: config.EMBED_ORIGINS,
  })
}

/** Undefined with PROVISIONER=none: changes of projects take effect immediately. */
function openProvisioner({ config, logger, closers, registry }: Pick<PartOptions, 'config' | 'logger' | 'closers'> & { registry: Registry }) {
  const { PROVISIONER_URL: url, PROVISIONER_SECRET: keys, OUTGOING_ALLOW: allowed } = config
  if (url === undefined || keys === undefined) return undefined
  const provisioner = new Provisioner({ registry, target: { url, keys, allowed }, logger })
  closers.add(() => provisioner.stop())
  return provisioner
}
