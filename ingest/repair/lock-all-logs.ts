import type { ClickHouse } from '../../sql/clickhouse.ts'
import { acquireLease, isLeaseHeld, type Lease } from '../../sql/lease.ts'
import { HTTP_LOG } from '../http/http-log.ts'
import { findLogsInForce } from '../kafka/incarnation.ts'
import { findLiveOwner, findLiveReader, OWNER_TIMEOUT_MS } from '../log/watermark.ts'

export type LockOutcome = { status: 'locked'; leases: readonly [Lease, ...Lease[]] } | { status: 'rejected'; reason: string }

/**
 * Acquires the lease of every event log in force, except the one that this process holds already. The fence then refuses the
 * writes of an owner that was only asleep: it has to acquire its lease again, which findLostLease detects. Rejected while an owner
 * is alive. The in-doubt ranges of the logs stay in doubt, and their next owners reconcile them. Throws StoreError.
 */
export async function lockAllLogs(clickhouse: ClickHouse, lockedLease: Lease | undefined): Promise<LockOutcome> {
  if (clickhouse.shards !== undefined) return { status: 'rejected', reason: NOT_WITH_SHARDS }
  const host = await findLiveProcess(clickhouse, lockedLease)
  if (host !== undefined) return { status: 'rejected', reason: `${host} counts events. ${STOP_IT}` }
  const partitionLogs = await findLogsInForce(clickhouse.control)
  const http = lockedLease ?? (await acquire(clickhouse, HTTP_LOG))
  if (http === undefined) return lostTo(HTTP_LOG)
  const leases: [Lease, ...Lease[]] = [http]
  for (const log of partitionLogs) {
    const lease = await acquire(clickhouse, log)
    if (lease === undefined) return lostTo(log)
    leases.push(lease)
  }
  return { status: 'locked', leases }
}

/** The first of these logs whose lease another process has acquired since; undefined when all leases are still held. Throws StoreError. */
export async function findLostLease(clickhouse: ClickHouse, leases: readonly Lease[]): Promise<string | undefined> {
  for (const lease of leases) if (!(await isLeaseHeld(clickhouse, lease))) return lease.name
  return undefined
}

export const STOP_IT = `Stop it first: \`meterline ingest\`, then try again; or \`meterline start\`, then run \`meterline rebuild --offline\`. After a crash, wait ${OWNER_TIMEOUT_MS / 1000} s.`

const NOT_WITH_SHARDS = 'A month of a store that is distributed over several servers cannot be rebuilt yet.'

function lostTo(log: string): LockOutcome {
  return { status: 'rejected', reason: `Another process took over the log ${log} at this moment. ${STOP_IT}` }
}

/** The owner of the http log is not checked when it is this process, which has locked the log. */
async function findLiveProcess({ control }: ClickHouse, lockedLease: Lease | undefined): Promise<string | undefined> {
  const reader = await findLiveReader(control, OWNER_TIMEOUT_MS)
  return reader ?? (lockedLease === undefined ? findLiveOwner(control, HTTP_LOG, OWNER_TIMEOUT_MS) : undefined)
}

async function acquire(clickhouse: ClickHouse, log: string): Promise<Lease | undefined> {
  const outcome = await acquireLease(clickhouse, log)
  return outcome.status === 'acquired' ? outcome.lease : undefined
}
