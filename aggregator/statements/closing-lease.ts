import type { ClickHouse } from '../../sql/clickhouse.ts'
import { StoreError } from '../../sql/errors.ts'
import { acquireLease, currentLeaseOwner, isAnyInsertRunning, type Lease } from '../../sql/lease.ts'

/** `elsewhere`: another process has the lease, and nothing more was written here. */
export type UnderLeaseOutcome<T> = { status: 'done'; result: T } | { status: 'elsewhere' }

/**
 * Runs work that only one process may do for a partner at a time: closing a month, or moving the first billed month. Everything that
 * it writes carries the fencing token of the lease `closing/<partner>`, so when two processes run it, the one that acquired the lease
 * later continues and nothing more of the other is stored. If an insert under the lease is still running, another process is at work
 * and this one backs off. Otherwise two processes that keep retrying would repeatedly kill each other's statements. Throws StoreError.
 */
export async function withClosingLease<T>(clickhouse: ClickHouse, partnerId: string, work: (lease: Lease) => Promise<T>): Promise<UnderLeaseOutcome<T>> {
  const name = `closing/${partnerId}`
  if (await isAnyInsertRunning(clickhouse, name)) return { status: 'elsewhere' }
  const acquired = await acquireLease(clickhouse, name)
  if (acquired.status === 'outranked') return { status: 'elsewhere' }
  const { lease } = acquired
  try {
    return { status: 'done', result: await work(lease) }
  } catch (thrown) {
    // Rejected by the fence, or killed by the process that acquired the lease.
    if (thrown instanceof StoreError && (thrown.fault === 'fenced' || (await currentLeaseOwner(clickhouse, name)) !== lease.owner))
      return { status: 'elsewhere' }
    throw thrown
  }
}
