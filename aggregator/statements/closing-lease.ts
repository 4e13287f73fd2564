import type { ClickHouse } from '../../sql/clickhouse.ts'
import { StoreError } from '../../sql/errors.ts'
import { acquireLease, isAnyInsertRunning, isLeaseHeld, type Lease } from '../../sql/lease.ts'

/** `elsewhere`: another process has the lease, or this one is at work for the partner already. Nothing more was written here. */
export type UnderLeaseOutcome<T> = { status: 'done'; result: T } | { status: 'elsewhere' }

/**
 * Runs work that may be done for a partner only once at a time: closing a month, adding to the next statement, or moving the first billed
 * month. Within a process the second one backs off, so that an adjustment does not interrupt a closing. Everything that
 * it writes carries the fencing token of the lease `closing/<partner>`, so when two processes run it, the one that acquired the lease
 * later continues and nothing more of the other is stored. If an insert under the lease is still running, another process is at work
 * and this one backs off. Otherwise two processes that keep retrying would repeatedly kill each other's statements. Throws StoreError.
 */
export async function withClosingLease<T>(clickhouse: ClickHouse, partnerId: string, work: (lease: Lease) => Promise<T>): Promise<UnderLeaseOutcome<T>> {
  const atWork = AT_WORK.get(clickhouse) ?? new Set()
  AT_WORK.set(clickhouse, atWork)
  if (atWork.has(partnerId)) return { status: 'elsewhere' }
  atWork.add(partnerId)
  try {
    return await acquireAndRun(clickhouse, partnerId, work)
  } finally {
    atWork.delete(partnerId)
  }
}

/** The partners for which this process is at work. */
const AT_WORK = new WeakMap<ClickHouse, Set<string>>()

async function acquireAndRun<T>(clickhouse: ClickHouse, partnerId: string, work: (lease: Lease) => Promise<T>): Promise<UnderLeaseOutcome<T>> {
  const name = `closing/${partnerId}`
  if (await isAnyInsertRunning(clickhouse, name)) return { status: 'elsewhere' }
  const acquired = await acquireLease(clickhouse, name)
  if (acquired.status === 'outranked') return { status: 'elsewhere' }
  const { lease } = acquired
  try {
    return { status: 'done', result: await work(lease) }
  } catch (thrown) {
    // Rejected by the fence, or killed by the process that acquired the lease.
    if (thrown instanceof StoreError && (thrown.fault === 'fenced' || !(await isLeaseHeld(clickhouse, lease)))) return { status: 'elsewhere' }
    throw thrown
  }
}
