import type { WireEvent } from '../event.ts'
import { nextSlotMs } from '../slots.ts'

/** Slots that are over and have no sample. Nothing is put in their place. */
export interface Gap {
  readonly project_id: string
  readonly metric: string
  /** Inclusive, RFC 3339. */
  readonly from: string
  /** Exclusive. */
  readonly to: string
}

/** By project, then by metric: the slot of the last sample, RFC 3339. */
export type LastSlots = ReadonlyMap<string, ReadonlyMap<string, string>>

/** The last slots with these samples of levels, and the slots between that have none. */
export function advanceSlots(last: LastSlots, samples: readonly WireEvent[], slotMs: number): { readonly last: LastSlots; readonly gaps: readonly Gap[] } {
  const next = new Map(last)
  const gaps: Gap[] = []
  for (const { project_id, metric, timestamp } of [...samples].sort((one, other) => Date.parse(one.timestamp) - Date.parse(other.timestamp))) {
    const metrics = new Map(next.get(project_id))
    const before = metrics.get(metric)
    if (before !== undefined && Date.parse(before) >= Date.parse(timestamp)) continue
    const expectedMs = before === undefined ? Number.POSITIVE_INFINITY : nextSlotMs(Date.parse(before), slotMs)
    if (expectedMs < Date.parse(timestamp)) gaps.push({ project_id, metric, from: new Date(expectedMs).toISOString(), to: timestamp })
    next.set(project_id, metrics.set(metric, timestamp))
  }
  return { last: next, gaps }
}
