import { changeOf, earlierCorrections, isEarlier } from './detect-corrections.ts'
import type { Detection } from './detection.ts'
import { type Correction, type EventKind, kindOf, MARKER, type Stored } from './state.ts'
import { effectiveOf } from './totals.ts'

/** Whether a batch was closed before a record. */
export function isClosed(batch: number, stored: Stored, options: Detection): boolean {
  return earlierCorrections(stored, options).some(([row]) => kindOf(row).closes === batch)
}

/**
 * What the closing or the revert of a batch changes, from what is stored: its own batch of the log has no other record. The marker is stored
 * together with the others, so that also an empty window is known to be replaced.
 */
export function changesOfWindow(stored: Stored, options: Detection): Correction[] {
  const { closes, reverts, month } = kindOf(stored)
  const { rules } = options
  const earlier = earlierCorrections(stored, options)
  const events = options.seen.raw.flatMap((rows, log) =>
    rows.filter((row) => kindOf(row).month === month && isEarlier(row, log, { stored, options })).map(kindOf),
  )
  const closing = earlier.filter(([row]) => reverts !== undefined && kindOf(row).closes === reverts)
  const changes = events.flatMap((event): Correction[] => {
    const before = effectiveOf(event, earlier, rules)
    const after = closes === undefined ? beforeClosing(event, { closing, earlier }, options) : event.heldBy === closes ? event.value : undefined
    const isChanged = closes === undefined ? closing.some(([, , , , target]) => target === event.identity) : before !== undefined || event.heldBy === closes
    return isChanged ? [changeOf(stored, { target: event.identity, earlier, before, after }, options)] : []
  })
  return rules.markWindow ? [[stored, 0, 0, 0, MARKER, 0], ...changes] : changes
}

interface OfClosing {
  readonly closing: readonly Correction[]
  readonly earlier: readonly Correction[]
}

function beforeClosing(event: EventKind, { closing, earlier }: OfClosing, { rules }: Detection): number | undefined {
  const own = closing.find(([, , , , target]) => target === event.identity)
  if (!rules.revertToBefore) return event.heldBy === undefined ? event.value : undefined
  const before = earlier.filter(([, revision, , , target]) => target === event.identity && own !== undefined && revision < own[1])
  return effectiveOf(event, before, rules)
}
