import type { ClickHouse } from '../../sql/clickhouse.ts'
import { acquireLease, isLeaseHeld, type Lease } from '../../sql/lease.ts'
import { shardOfLog, shardsOf } from '../../sql/shards.ts'
import { HTTP_LOG } from '../http/http-log.ts'
import { findLogsInForce } from '../kafka/incarnation.ts'
import { findLiveOwner, findLiveReader, OWNER_TIMEOUT_MS } from '../log/watermark.ts'

export type LockOutcome = { status: 'locked'; shards: readonly LockedShard[] } | { status: 'rejected'; reason: string }

/** A server with event logs, the store itself if it is one, and the leases of its logs. */
export interface LockedShard {
  readonly shard: ClickHouse
  readonly leases: readonly [Lease, ...Lease[]]
}

/**
 * Acquires the lease of every event log in force, except the one that this process holds already. The fence then refuses the
 * writes of an owner that was only asleep: it has to acquire its lease again, which findLostLease detects. Rejected while an owner
 * is alive. The in-doubt ranges of the logs stay in doubt, and their next owners reconcile them. Throws StoreError.
 */
export async function lockAllLogs(clickhouse: ClickHouse, lockedLease: Lease | undefined): Promise<LockOutcome> {
  const host = await findLiveProcess(clickhouse, lockedLease)
  if (host !== undefined) return { status: 'rejected', reason: `${host} counts events. ${STOP_IT}` }
  const topicLogs = await findLogsInForce(clickhouse.control)
  const logs = clickhouse.shards === undefined && lockedLease === undefined ? [HTTP_LOG, ...topicLogs] : topicLogs
  const leases = lockedLease === undefined ? [] : [lockedLease]
  for (const log of logs) {
    const outcome = await acquireLease(shardOfLog(clickhouse, log), log)
    if (outcome.status !== 'acquired') return { status: 'rejected', reason: `Another process took over the log ${log} at this moment. ${STOP_IT}` }
    leases.push(outcome.lease)
  }
  const shards = shardsOf(clickhouse).flatMap((shard): LockedShard[] => {
    const [first, ...others] = leases.filter(({ name }) => shardOfLog(clickhouse, name) === shard)
    return first === undefined ? [] : [{ shard, leases: [first, ...others] }]
  })
  return { status: 'locked', shards }
}

/** The first of these logs whose lease another process has acquired since; undefined when all leases are still held. Throws StoreError. */
export async function findLostLease(locked: readonly LockedShard[]): Promise<string | undefined> {
  for (const { shard, leases } of locked) {
    for (const lease of leases) if (!(await isLeaseHeld(shard, lease))) return lease.name
  }
}

export const STOP_IT = `Stop it first: \`meterline ingest\`, then try again; or \`meterline start\`, then run \`meterline rebuild --offline\`. After a crash, wait ${OWNER_TIMEOUT_MS / 1000} s.`

/** The owner of the http log is not checked when it is this process, which has locked the log. */
async function findLiveProcess(clickhouse: ClickHouse, lockedLease: Lease | undefined): Promise<string | undefined> {
  const reader = await findLiveReader(clickhouse, OWNER_TIMEOUT_MS)
  return reader ?? (lockedLease === undefined ? findLiveOwner(clickhouse.control, HTTP_LOG, OWNER_TIMEOUT_MS) : undefined)
}
