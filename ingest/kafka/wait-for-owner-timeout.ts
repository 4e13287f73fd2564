import { setTimeout as sleep } from 'node:timers/promises'
import type { Lane } from '../../sql/clickhouse.ts'
import { findLiveOwner } from '../log/watermark.ts'

export interface WaitForOwnerOptions {
  readonly control: Lane
  readonly log: string
  /** Rejects when the group does not know this member any more: a member that was given up must not take a log back. */
  readonly commit: () => Promise<void>
  readonly retryAfterMsMax: number
  readonly ownerTimeoutMs: number
  readonly assigned: AbortSignal
}

/**
 * Two processes can be assigned one partition, as after the group was renamed, and would take the log from each other without end. So
 * the overtaken one waits until the other has sent no heartbeat for the time-out or has released the log, or until the partition is
 * no longer assigned here.
 */
export async function waitForOwnerTimeout({ control, log, commit, retryAfterMsMax, ownerTimeoutMs, assigned }: WaitForOwnerOptions): Promise<void> {
  const liveOwner = () => findLiveOwner(control, log, ownerTimeoutMs).catch(() => 'unknown')
  const isMember = () =>
    commit().then(
      () => true,
      () => false,
    )
  do await pause(retryAfterMsMax, assigned)
  while (!assigned.aborted && ((await liveOwner()) !== undefined || !(await isMember())))
}

/** Ends early when the signal is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {})
}
