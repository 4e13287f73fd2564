import type { ClickHouse } from '../../sql/clickhouse.ts'
import type { RunBetweenBatches } from '../../sql/run-between-batches.ts'
import type { EventLog } from '../log/event-log.ts'
import { FilterBudget } from '../log/identity-filter.ts'
import { OwnedLog } from '../log/owned-log.ts'
import { TOUCHED_PER_BATCH_MAX } from '../log/touched-days.ts'
import { findLiveOwner, findLiveReader, OWNER_TIMEOUT_MS } from '../log/watermark.ts'
import { REJECTED_BYTES_PER_DAY_MAX } from '../rejected/rejected-quota.ts'
import { GroupWriter, type GroupWriterLimits, type GroupWriterOptions } from './group-writer.ts'

/** The log of a Meterline without Kafka: an acknowledged event is in raw. There is one per store, and it has one owner. */
export const HTTP_LOG = 'http'

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
 * Acquires the lease of the http log, reconciles what its last owner left in doubt, and only then accepts events. Throws if the
 * owner of the log is another process that is alive, and names it.
 */
export async function openHttpLog({ clickhouse, logger, onLost, limits: given }: HttpLogOptions): Promise<HttpLog> {
  const limits = { ...LIMITS, ...given }
  await requireNoLiveOwner(clickhouse, limits)
  const scope = { partition: 0, partitions: 1 }
  const filterBudget = new FilterBudget(limits.filterBytesMax)
  const { rejectedBytesPerDayMax } = limits
  const owned = new OwnedLog({ clickhouse, lane: clickhouse.ingest, name: HTTP_LOG, scope, filterBudget, logger, rejectedBytesPerDayMax })
  const writer = new GroupWriter({ owned, logger, onLost, limits })
  await writer.start()
  return writer
}

/** Of an embedded engine's directory there is one process anyway; on a server the heartbeat keeps a second one away. */
async function requireNoLiveOwner({ engine, control }: ClickHouse, { ownerTimeoutMs }: HttpLogLimits): Promise<void> {
  if (engine === 'embedded') return
  const host = (await findLiveOwner(control, HTTP_LOG, ownerTimeoutMs)) ?? (await findLiveReader(control, ownerTimeoutMs))
  if (host === undefined) return
  throw new Error(
    `This ClickHouse database is written to by ${host}, which is alive. Stop that process first (after a crash, wait ${ownerTimeoutMs / 1000} s), or give this one a database of its own.`,
  )
}
