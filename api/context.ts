import type { FastifyBaseLogger } from 'fastify'
import type { BackgroundJobs } from '../aggregator/background-jobs.ts'
import type { Exports } from '../aggregator/exports/exports.ts'
import type { CachedCompleteness } from '../aggregator/usage/completeness.ts'
import type { Topic } from '../ingest/kafka/topic.ts'
import type { BetweenBatches, EventLog, Ingesting } from '../ingest/log/event-log.ts'
import type { Provisioner } from '../registry/provisioner/provisioner.ts'
import type { Registry } from '../registry/registry.ts'
import type { ClickHouse } from '../sql/clickhouse.ts'
import type { LimitedReads } from '../sql/limited-reads.ts'

/** What the routes stand on. Put together once, where the process starts. */
export interface ApiContext {
  readonly clickhouse: ClickHouse
  /** The same store, for questions from outside: what one of them may take is limited. */
  readonly limitedReads: LimitedReads
  readonly registry: Registry
  /** Hands lifecycle changes over to the platform; undefined where they are done at once. */
  readonly provisioner: Provisioner | undefined
  readonly eventLog: EventLog
  /** What this process counts, and whether it can: the event log itself, or what reads the topic. */
  readonly ingesting: Ingesting
  /** What goes on in the background of this process, undefined where another does it. */
  readonly aggregating: BackgroundJobs | undefined
  /** How far totals reach, as it was known a moment ago. */
  readonly horizon: CachedCompleteness
  /** The topic behind the logs, undefined without Kafka. Throws EventsUnavailable until the brokers answer. */
  readonly topic: (() => Topic) | undefined
  readonly exports: Exports
  readonly adminToken: string
  readonly betweenBatches: BetweenBatches
  readonly logger: FastifyBaseLogger
  /** Networks of proxies whose word on a client's address is taken. */
  readonly trustedProxies: readonly string[]
  /** ms since 1970. */
  readonly now: () => number
  /** Requests per credential; 0 is no limit. */
  readonly requestsPerMinute: number
  readonly eventRequestsPerMinute: number
  /** Credentials from one address that may be wrong before others are not even looked up; 0 is no limit. */
  readonly authFailuresPerMinute: number
  /** Web pages of these origins may call. Empty: of none but our own. */
  readonly corsOrigins: readonly string[]
}
