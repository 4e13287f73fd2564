import type { Subject } from '../../address/subject.ts'
import { CallFailed } from '../../calls/call.ts'
import { mapAtMost } from '../../calls/map-at-most.ts'
import { type Loaded, useAnswer } from '../../calls/use-answer.ts'
import { type readThresholds, readUsed, type Threshold } from './call-thresholds.ts'

/** What is used in the current month, by the id of the threshold. */
export type UsedById = ReadonlyMap<string, string>

const READS_AT_ONCE = 4
/** Each is a query of its own. Of later thresholds the list does not show what is used. */
export const USED_SHOWN_MAX = 50

/** Read after the list, so that the list does not wait for it. */
export function useUsed(subject: Subject, thresholds: Loaded<Awaited<ReturnType<typeof readThresholds>>>): Loaded<UsedById> {
  const listed = thresholds.state === 'ready' ? thresholds.value.thresholds.slice(0, USED_SHOWN_MAX) : []
  return useAnswer(`used of ${listed.map(({ id }) => id).join(' ')}`, async (signal) => {
    const used = await mapAtMost(READS_AT_ONCE, listed, async (threshold) => await usedOf(subject, threshold, signal))
    return new Map(used.flat())
  })
}

/** Nothing of one that was removed meanwhile. */
async function usedOf(subject: Subject, { id }: Threshold, signal: AbortSignal): Promise<readonly [string, string][]> {
  try {
    return [[id, (await readUsed(subject, id, signal)).used]]
  } catch (error) {
    if (error instanceof CallFailed && error.status === 404) return []
    throw error
  }
}
