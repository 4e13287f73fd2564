import { type Batch, type Detection, isCleared } from './detection.ts'
import { type Correction, eventKind, kindOf, offsetOf, type Stored } from './state.ts'
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
  if (first === undefined || first.corrects !== undefined) return 'unknown event'
  const earlier = [...options.seen.corrections.flatMap((rows, log) => rows.filter(([row]) => isEarlier(row, log, { stored, options }))), ...batch.corrections]
  const before = rules.differenceFromLatest ? effectiveOf(first, earlier, rules) : first.value
  const { voids = false, value } = kindOf(stored)
  const revision = 1 + Math.max(0, ...earlier.filter(([row]) => kindOf(row).corrects === corrects).map(([, each]) => each))
  if (rules.foldAllKinds) return [stored, revision, 0, 0]
  return [stored, revision, (voids ? 0 : value) - (before ?? 0), (voids ? 0 : 1) - (before === undefined ? 0 : 1)]
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
function isEarlier(row: Stored, log: number, { stored, options }: { readonly stored: Stored; readonly options: Detection }): boolean {
  return !options.rules.earlierOnly || log !== options.log || offsetOf(row) < offsetOf(stored)
}
