import { setTimeout as sleep } from 'node:timers/promises'
import type { Lane } from '../../sql/clickhouse.ts'
import { findLiveOwner } from '../log/watermark.ts'

export interface OwnerTimeoutOptions {
  readonly control: Lane
  readonly log: string
  /** Refused when the group does not know this member any more: one that was given up must not take a log back. */
  readonly commit: () => Promise<void>
  readonly retryAfterMsMax: number
  readonly ownerSilenceMsMax: number
  readonly assigned: AbortSignal
}

/**
 * Two that are assigned one partition, as by a renamed group, would take it from each other for ever: the one that was
 * overtaken waits until the other has been silent for so long, or has released the log, or until it is no longer assigned.
 */
export async function waitForOwnerTimeout({ control, log, commit, retryAfterMsMax, ownerSilenceMsMax, assigned }: OwnerTimeoutOptions): Promise<void> {
  const living = () => findLiveOwner(control, log, ownerSilenceMsMax).catch(() => 'unknown')
  const isMember = () =>
    commit().then(
      () => true,
      () => false,
    )
  do await pause(retryAfterMsMax, assigned)
  while (!assigned.aborted && ((await living()) !== undefined || !(await isMember())))
}

/** Ends early when the signal is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {})
}
