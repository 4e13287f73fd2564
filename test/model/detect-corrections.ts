import { type Batch, type Detection, isCleared } from './detection.ts'
import { type Correction, eventKind, isOfWindow, kindOf, offsetOf, type Stored, VOIDED } from './state.ts'
import { effectiveOf } from './totals.ts'

/** What a correction adds to the totals; `unknown event` if the event that it corrects is not before it in the log. */
export function correctionOf(
  stored: Stored,
  corrects: number,
  { options, batch }: { readonly options: Detection; readonly batch: Batch },
): Correction | 'unknown event' {
  const { rules } = options
  const inBatch = rules.targetInBatch ? batch.counted.get(corrects) : undefined
  const first = inBatch === undefined ? findEvent(stored, corrects, options) : eventKind(inBatch)
  if (first === undefined || first.corrects !== undefined || isOfWindow(first)) return 'unknown event'
  const earlier = [...earlierCorrections(stored, options), ...batch.corrections]
  if (first.heldBy !== undefined && rules.waitingIsUnknown && !earlier.some(([, , , , target]) => target === corrects)) return 'unknown event'
  const before = rules.differenceFromLatest ? effectiveOf(first, earlier, rules) : first.value
  const { voids = false, value } = kindOf(stored)
  return changeOf(stored, { target: corrects, earlier, before, after: voids ? undefined : value }, options)
}

interface Change {
  readonly target: number
  readonly earlier: readonly Correction[]
  readonly before: number | undefined
  readonly after: number | undefined
}

/** The correction that gives an event another effective value. */
export function changeOf(stored: Stored, { target, earlier, before, after }: Change, { rules }: Detection): Correction {
  const revision = 1 + Math.max(0, ...earlier.filter(([, , , , of]) => of === target).map(([, each]) => each))
  if (rules.foldAllKinds) return [stored, revision, 0, 0, target, after ?? VOIDED]
  return [stored, revision, (after ?? 0) - (before ?? 0), (after === undefined ? 0 : 1) - (before === undefined ? 0 : 1), target, after ?? VOIDED]
}

/** The corrections that are stored of what is before a record. */
export function earlierCorrections(stored: Stored, options: Detection): Correction[] {
  return options.seen.corrections.flatMap((rows, log) => rows.filter(([row]) => isEarlier(row, log, { stored, options })))
}

function findEvent(stored: Stored, corrects: number, options: Detection) {
  if (isCleared(corrects, options.filter)) return undefined
  for (const [log, rows] of options.seen.raw.entries()) {
    const found = rows.find((row) => kindOf(row).identity === corrects && isEarlier(row, log, { stored, options }))
    if (found !== undefined) return kindOf(found)
  }
  return undefined
}

/** What another log holds is of a source that was in force before, and therefore earlier. */
export function isEarlier(row: Stored, log: number, { stored, options }: { readonly stored: Stored; readonly options: Detection }): boolean {
  return !options.rules.earlierOnly || log !== options.log || offsetOf(row) < offsetOf(stored)
}
