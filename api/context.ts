import type { FastifyBaseLogger } from 'fastify'
import type { BackgroundJobs } from '../aggregator/background-jobs.ts'
import type { Exports } from '../aggregator/exports/exports.ts'
import type { CachedCompleteness } from '../aggregator/usage/completeness.ts'
import type { RememberedUsage } from '../aggregator/usage/remembered-usage.ts'
import type { CheckOptions } from '../automation/schedules/check-definition.ts'
import type { Automating } from '../automation/start-automation.ts'
import type { SenderOptions } from '../automation/webhooks/send-to-endpoint.ts'
import type { AuditHead } from '../contract/audit-chain.ts'
import type { Build } from '../contract/health.ts'
import type { KnownMetrics } from '../ingest/event/known-metrics.ts'
import type { Topic } from '../ingest/kafka/topic.ts'
import type { EventLog, Ingesting } from '../ingest/log/event-log.ts'
import type { Provisioner } from '../registry/provisioner/provisioner.ts'
import type { Registry } from '../registry/registry.ts'
import type { ClickHouse } from '../sql/clickhouse.ts'
import type { LimitedReads } from '../sql/limited-reads.ts'
import type { RunBetweenBatches } from '../sql/run-between-batches.ts'
import type { LoggedRequests } from './http/logged-requests.ts'
import type { ServiceLogs } from './service-logs/service-logs.ts'

/**
 * What the routes need. It is wired once, where the process starts. It has no unlimited store, so that the compiler rejects a route
 * of a partner, an emitter or a reader of finance that would read without limits.
 */
export interface ApiContext {
  /** The store for queries on behalf of callers: each query is limited. */
  readonly limitedReads: LimitedReads
  readonly registry: Registry
  /** Delivers lifecycle changes to the platform; undefined if they take effect immediately. */
  readonly provisioner: Provisioner | undefined
  /** Which addresses webhooks may lead to. */
  readonly outgoing: Pick<SenderOptions, 'allowed'>
  readonly eventLog: EventLog
  /** The metrics under which events are counted. */
  readonly knownMetrics: KnownMetrics
  /** Readiness and statistics of ingestion in this process: the event log itself, or the consumer of the topic. */
  readonly ingesting: Ingesting
  /** The background jobs of this process; undefined if another process runs them. */
  readonly aggregating: BackgroundJobs | undefined
  /** Schedules, webhooks and thresholds in this process; undefined if another process runs them. */
  readonly automating: Automating | undefined
  /** Completeness of totals, cached for a moment. */
  readonly completeness: CachedCompleteness
  /** Usage of past days that this process has computed before. */
  readonly rememberedUsage: RememberedUsage
  /** The topic behind the logs; undefined without Kafka. Throws EventsUnavailable until the brokers answer. */
  readonly topic: (() => Topic) | undefined
  /** The source that this process is configured with: `http`, or its topic as cluster/topic. Throws EventsUnavailable until the brokers answer. */
  readonly source: () => string
  readonly exports: Exports
  /** What schedules may call, and where they may deliver to. */
  readonly automation: CheckOptions
  readonly adminToken: string
  /** The newest entry of the audit log, as of a few minutes ago; undefined before it was read. */
  readonly auditHead: () => AuditHead | undefined
  readonly runBetweenBatches: RunBetweenBatches
  readonly logger: FastifyBaseLogger
  readonly serviceLogs: ServiceLogs
  readonly build: Build
  /** True from the signal to stop: readiness says so, and connections end with their next answer. */
  readonly isStopping: () => boolean
  readonly logRequests: LoggedRequests
  /** Whether a listener of its own has the metrics. Otherwise the one of the API has them, for this machine and operators. */
  readonly hasMetricsListener: boolean
  /** Networks of proxies whose X-Forwarded-For is trusted. */
  readonly trustedProxies: readonly string[]
  /** ms since 1970. */
  readonly now: () => number
  /** Requests per credential; 0 is no limit. */
  readonly requestsPerMinute: number
  readonly eventRequestsPerMinute: number
  /** Past months that the events of one ingest key may touch per minute; 0 is no limit. */
  readonly pastMonthsPerMinute: number
  /** Wrong credentials from one address per minute before unknown ones are rejected without a look-up; 0 is no limit. */
  readonly authFailuresPerMinute: number
  /** Origins whose web pages may call the API. Empty: only pages of the service itself. */
  readonly corsOrigins: readonly string[]
  /** Origins whose web pages may show `/embed` in a frame. Empty: none. */
  readonly embedOrigins: readonly string[]
}

/** What the routes of operators need too, and the few that read everything there is on purpose, such as closing a month. */
export interface OperatorContext extends ApiContext {
  readonly clickhouse: ClickHouse
}
