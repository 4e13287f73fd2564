import type { ClickHouse } from '../../sql/clickhouse.ts'
import { StoreError } from '../../sql/errors.ts'
import { acquireLease, currentLeaseOwner, isAnyInsertRunning, type Lease } from '../../sql/lease.ts'

export type FencedOutcome<T> = { status: 'done'; result: T } | { status: 'elsewhere' }

/**
 * Runs work that only one may do for a partner at a time: closing a month, moving the first one. Everything it writes
 * goes through the fence of `closing/<partner>`, so of two the one that took it later goes on and the other writes nothing
 * more. Where a statement of it is still running, another process is at work and is let be: else two that try again for
 * ever would kill each other's. Throws StoreError.
 */
export async function withClosingLease<T>(clickhouse: ClickHouse, partnerId: string, work: (ownership: Lease) => Promise<T>): Promise<FencedOutcome<T>> {
  const log = `closing/${partnerId}`
  if (await isAnyInsertRunning(clickhouse, log)) return { status: 'elsewhere' }
  const taken = await acquireLease(clickhouse, log)
  if (taken.status === 'outranked') return { status: 'elsewhere' }
  try {
    return { status: 'done', result: await work(taken.lease) }
  } catch (thrown) {
    // Refused by the fence, or killed by whoever has taken it.
    if (thrown instanceof StoreError && (thrown.fault === 'fenced' || (await currentLeaseOwner(clickhouse, log)) !== taken.lease.owner))
      return { status: 'elsewhere' }
    throw thrown
  }
}
