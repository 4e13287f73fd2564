import type { ClickHouse } from '../../sql/clickhouse.ts'
import type { RunBetweenBatches } from '../../sql/run-between-batches.ts'
import type { EventLog } from '../log/event-log.ts'
import { KnownIdentities } from '../log/known-identities.ts'
import { OwnedLog } from '../log/owned-log.ts'
import { REJECTED_BYTES_PER_DAY_MAX } from '../log/rejected-quota.ts'
import { TOUCHED_PER_BATCH_MAX } from '../log/touched-days.ts'
import { findLiveOwner, OWNER_TIMEOUT_MS } from '../log/watermark.ts'
import { HTTP_SOURCE, requireSource } from '../source/source-in-force.ts'
import { GroupWriter } from './group-writer.ts'
import type { GroupWriterLimits, GroupWriterOptions } from './group-writer-options.ts'

/** The log of a Meterline without Kafka: an acknowledged event is in raw. There is one per store, and it has one owner. */
export const HTTP_LOG = HTTP_SOURCE

export interface HttpLog extends EventLog {
  /**
   * Locks the log while the work runs: no batch is in flight. Events that arrive wait, and the owner's heartbeat goes on.
   * Rejects with EventsUnavailable.
   */
  readonly runBetweenBatches: RunBetweenBatches
  /** Stores and acknowledges what waits, releases the log, and ends. */
  stop(): Promise<void>
}

export interface HttpLogOptions extends Pick<GroupWriterOptions, 'logger' | 'onLost'> {
  readonly clickhouse: ClickHouse
  readonly limits?: Partial<HttpLogLimits>
}

export interface HttpLogLimits extends GroupWriterLimits {
  readonly filterBytesMax: number
  readonly ownerTimeoutMs: number
  /** Bytes of the originals of rejected events that are kept per ingest key and UTC day. */
  readonly rejectedBytesPerDayMax: number
}

const LIMITS: HttpLogLimits = {
  batchEventsMax: 50_000,
  ...TOUCHED_PER_BATCH_MAX,
  queueEventsMax: 200_000,
  queueBytesMax: 128 * 1024 * 1024,
  filterBytesMax: 1024 ** 3,
  heartbeatEveryMs: 5_000,
  ownerTimeoutMs: OWNER_TIMEOUT_MS,
  rejectedBytesPerDayMax: REJECTED_BYTES_PER_DAY_MAX,
  retryAfterMsMin: 100,
  retryAfterMsMax: 5_000,
}

/**
 * Acquires the lease of the http log, reconciles what its last owner left in doubt, and only then accepts events. If the store counts
 * a topic, the log waits until the source is switched, and accepts no events until then. Throws if the owner of the log is another
 * process that is alive, and names it.
 */
export async function openHttpLog({ clickhouse, logger, onLost, limits: given }: HttpLogOptions): Promise<HttpLog> {
  const limits = { ...LIMITS, ...given }
  const scope = { partition: 0, partitions: 1 }
  const identities = new KnownIdentities({ clickhouse, logger, filterBytesMax: limits.filterBytesMax })
  const { heartbeatEveryMs, rejectedBytesPerDayMax } = limits
  const owned = new OwnedLog({
    clickhouse,
    shard: clickhouse,
    lane: clickhouse.ingest,
    name: HTTP_LOG,
    source: HTTP_SOURCE,
    scope,
    identities,
    heartbeatEveryMs,
    rejectedBytesPerDayMax,
    logger,
  })
  const writer = new GroupWriter({
    owned,
    logger,
    requireNoLiveOwner: () => requireNoLiveOwner(clickhouse, limits),
    onLost,
    onEnded: () => identities.close(),
    limits,
  })
  await writer.start()
  return writer
}

/** Of an embedded engine's directory there is one process anyway; on a server the heartbeat keeps a second one away. */
async function requireNoLiveOwner(clickhouse: ClickHouse, { ownerTimeoutMs }: HttpLogLimits): Promise<void> {
  if (clickhouse.engine === 'embedded') return
  await requireSource(clickhouse, HTTP_SOURCE)
  const host = await findLiveOwner(clickhouse.control, HTTP_LOG, ownerTimeoutMs)
  if (host === undefined) return
  throw new Error(
    `This ClickHouse database is written to by ${host}, which is alive. Stop that process first (after a crash, wait ${ownerTimeoutMs / 1000} s), or give this one a database of its own.`,
  )
}
