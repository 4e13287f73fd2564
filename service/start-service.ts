import type { Logger } from 'pino'
import { type BackgroundJobs, startBackgroundJobs } from '../aggregator/background-jobs.ts'
import { Exports } from '../aggregator/exports/exports.ts'
import { CachedCompleteness } from '../aggregator/usage/completeness.ts'
import { buildApp } from '../api/app.ts'
import type { ApiContext } from '../api/context.ts'
import { buildHealthApp } from '../api/health-app.ts'
import { listen } from '../api/server.ts'
import { openHttpLog } from '../ingest/http/http-log.ts'
import { openKafkaLog } from '../ingest/kafka/open-kafka.ts'
import type { EventLog, Ingesting } from '../ingest/log/event-log.ts'
import packageJson from '../package.json' with { type: 'json' }
import { SERVICE } from '../registry/audit-log.ts'
import { RegistryChanges } from '../registry/changes.ts'
import { Provisioner } from '../registry/provisioner/provisioner.ts'
import { isSealed, openRegistry, type Registry } from '../registry/registry.ts'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { limitReads } from '../sql/limited-reads.ts'
import { migrate } from '../sql/migrate.ts'
import { Closers } from './closers.ts'
import type { Config } from './config.ts'
import { flushLastUsed } from './flush-last-used.ts'
import { type InstanceSecrets, loadInstanceSecrets } from './instance-secrets.ts'
import { topicOptionsOf } from './kafka-options.ts'
import { openStore } from './open-store.ts'
import { registryOptionsOf } from './registry-options.ts'
import { rotateSigningKeysWhenDue } from './rotate-signing-keys.ts'
import { warnUnsealedKeys } from './warn-unsealed-keys.ts'

export interface Service {
  readonly url: string
  readonly clickhouse: ClickHouse
  readonly adminToken: string
  readonly adminTokenPath: string | undefined
  /** Answers what has begun, stores what waits, closes. Loses nothing. */
  stop(): Promise<void>
  /** Rejects when the service can never write again; who started it stops it. */
  readonly lost: Promise<never>
}

/** What a process does: all of it, or one part, of which any number may run against one Kafka and one ClickHouse server. */
export type ServiceParts = 'all' | 'ingest' | 'aggregate' | 'api'

/** The parts in this process: store, registry, event log, api; wired by hand, in the order they need each other. */
export async function startService(config: Config, logger: Logger, parts: ServiceParts = 'all'): Promise<Service> {
  requireSeparable(config, parts)
  const closers = new Closers()
  let lose: (error: Error) => void = () => {}
  const lost = new Promise<never>((_, reject) => {
    lose = reject
  })
  lost.catch(() => {})
  try {
    const clickhouse = await openStore(config, { logger: logger })
    closers.add(() => clickhouse.close())
    const migrations = await migrate(clickhouse)
    if (migrations.length > 0) logger.info({ migrations: migrations.map(({ name }) => name) }, 'migrations applied')
    const secrets = loadInstanceSecrets(config, { storeIsSealed: await isSealed(clickhouse) })
    const app = await buildPart({ config, clickhouse, logger, secrets, closers, lose }, parts)
    const listening = await listen(app, { host: config.HOST, port: config.PORT })
    closers.add(() => listening.close())
    const { adminToken, adminTokenPath } = secrets
    return { url: listening.url, clickhouse, adminToken, adminTokenPath, stop: () => closers.closeAll(), lost }
  } catch (error) {
    await closers.closeAll()
    throw error
  }
}

/** An embedded engine is one process's own, and without Kafka there is no log that two could share. */
function requireSeparable({ KAFKA_BROKERS, CLICKHOUSE_URL }: Config, parts: ServiceParts): void {
  if (parts === 'all' || (CLICKHOUSE_URL !== undefined && (KAFKA_BROKERS !== undefined || parts === 'aggregate'))) return
  const needed = parts === 'aggregate' ? 'CLICKHOUSE_URL' : 'KAFKA_BROKERS and CLICKHOUSE_URL'
  throw new Error(`"meterline ${parts}" is one of several processes and needs ${needed}. For all in one process: "meterline start".`)
}

interface PartOptions {
  readonly config: Config
  readonly clickhouse: ClickHouse
  readonly logger: Logger
  readonly secrets: InstanceSecrets
  readonly closers: Closers
  readonly lose: (error: Error) => void
}

/** What a process does, behind the app that serves it. Only the whole service aggregates beside its api. */
async function buildPart(options: PartOptions, parts: ServiceParts) {
  const { config, clickhouse, logger, closers, lose } = options
  if (parts === 'aggregate') {
    const aggregating = await openAggregating(options, { betweenBatches: afterAWhile, changes: new RegistryChanges(clickhouse) })
    return buildHealthApp({ logger, ingesting: undefined, aggregating })
  }
  const log = await openLog({ config, clickhouse, logger, parts, lose })
  closers.add(() => log.stop())
  if (parts === 'ingest') return buildHealthApp({ logger, ingesting: log.ingesting, aggregating: undefined })
  return buildWholeApp(options, log, parts)
}

async function openAggregating(
  { config, clickhouse, logger, closers }: PartOptions,
  { betweenBatches, changes }: { betweenBatches: ApiContext['betweenBatches']; changes: RegistryChanges },
): Promise<BackgroundJobs> {
  const graceMs = config.CLOSE_GRACE_HOURS * MS_PER_HOUR
  const aggregating = await startBackgroundJobs({
    clickhouse,
    logger: logger,
    runBetweenBatches: (work) => betweenBatches(() => work()),
    now: Date.now,
    graceMs,
    note: (noted) => changes.note(SERVICE, noted),
  })
  closers.add(() => aggregating.stop())
  return aggregating
}

const MS_PER_HOUR = 3_600_000

interface Log {
  readonly eventLog: EventLog
  readonly ingesting: Ingesting
  readonly betweenBatches: ApiContext['betweenBatches']
  readonly topic: ApiContext['topic']
  stop(): Promise<void>
}

interface OpenLogOptions {
  readonly config: Config
  readonly clickhouse: ClickHouse
  readonly logger: Logger
  readonly parts: ServiceParts
  readonly lose: (error: Error) => void
}

async function openLog({ config, clickhouse, logger, parts, lose }: OpenLogOptions): Promise<Log> {
  const topic = topicOptionsOf(config)
  if (topic === undefined) {
    const http = await openHttpLog({ clickhouse, logger: logger, onLost: lose })
    return { eventLog: http, ingesting: http, betweenBatches: http.betweenBatches, topic: undefined, stop: () => http.stop() }
  }
  const kafka = openKafkaLog({ clickhouse, topic, parts: { produce: parts !== 'ingest', ingest: parts !== 'api' }, logger: logger, onRefused: lose })
  return { eventLog: kafka, ingesting: kafka, betweenBatches: afterAWhile, topic: () => kafka.topic(), stop: () => kafka.stop() }
}

/** Other processes write as well: what is in flight now has landed a moment later. */
async function afterAWhile<T>(work: (held: undefined) => Promise<T>): Promise<T> {
  await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_AFTER_MS))
  return work(undefined)
}

const LOOK_AGAIN_AFTER_MS = 500

async function buildWholeApp(options: PartOptions, log: Log, parts: ServiceParts) {
  const { config, clickhouse, logger, secrets, closers } = options
  const registry = await openRegistry(registryOptionsOf(config, clickhouse, secrets))
  const lastUsed = flushLastUsed(registry.lastUsed, logger)
  closers.add(() => lastUsed.stop())
  const { betweenBatches } = log
  const aggregating = parts === 'all' ? await openAggregating(options, { betweenBatches, changes: registry.changes }) : undefined
  await warnUnsealedKeys(registry, logger)
  if (config.CLICKHOUSE_URL !== undefined && config.PUBLIC_URL === undefined)
    logger.warn(
      { issuer: registry.publicUrl },
      'PUBLIC_URL is not set: tokens are issued under the address of this process, and a process at another one refuses them',
    )
  const signingKeys = await rotateSigningKeysWhenDue(registry, { days: config.SIGNING_KEY_DAYS, logger: logger })
  closers.add(() => signingKeys.stop())
  const exports = new Exports({ registry, generator: `meterline ${packageJson.version}`, currency: config.CURRENCY, now: Date.now })
  closers.add(() => exports.stop())
  return buildApp({
    clickhouse,
    limitedReads: limitReads(clickhouse, { rowsMax: config.READ_ROWS_MAX }),
    registry,
    provisioner: openProvisioner({ config, logger, closers, registry }),
    eventLog: log.eventLog,
    ingesting: log.ingesting,
    aggregating,
    horizon: new CachedCompleteness(clickhouse),
    topic: log.topic,
    exports,
    adminToken: secrets.adminToken,
    betweenBatches,
    logger,
    now: Date.now,
    trustedProxies: config.TRUSTED_PROXIES,
    requestsPerMinute: config.RATE_LIMIT_PER_MINUTE,
    eventRequestsPerMinute: config.EVENT_REQUESTS_PER_MINUTE,
    authFailuresPerMinute: config.AUTH_FAILURES_PER_MINUTE,
    corsOrigins: config.CORS_ORIGINS,
  })
}

/** Undefined with PROVISIONER=none: changes are done at once. */
function openProvisioner({ config, logger, closers, registry }: Pick<PartOptions, 'config' | 'logger' | 'closers'> & { registry: Registry }) {
  const { PROVISIONER_URL: url, PROVISIONER_SECRET: keys, OUTGOING_ALLOW: allowed } = config
  if (url === undefined || keys === undefined) return undefined
  const provisioner = new Provisioner({ registry, target: { url, keys, allowed }, logger: logger })
  closers.add(() => provisioner.stop())
  return provisioner
}
