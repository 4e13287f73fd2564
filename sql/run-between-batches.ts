import type { Lease } from './lease.ts'

/**
 * Runs work while no batch of this process is in flight, so that what the work reads does not change half-way. `lockedLease` is the
 * lease of the log that is locked meanwhile. It is left out where other processes write the logs, which this one cannot lock.
 * Rejects if the log cannot be locked now.
 */
export type RunBetweenBatches = <T>(work: (lockedLease?: Lease) => Promise<T>) => Promise<T>
