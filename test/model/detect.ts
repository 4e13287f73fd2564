import { correctionOf } from './detect-corrections.ts'
import { changesOfWindow, isClosed } from './detect-windows.ts'
import { type Batch, type Detection, isCleared } from './detection.ts'
import type { Switches } from './rules.ts'
import { at, type Correction, type EventKind, eventKind, isOfWindow, kindIndexOf, kindOf, offsetOf, type Stored, storedAs } from './state.ts'
import { effectiveOf } from './totals.ts'

export interface Detected {
  readonly rows: readonly Stored[]
  readonly corrections: readonly Correction[]
  /** Conflicts, and corrections of unknown events. */
  readonly conflicts: readonly Stored[]
  readonly misrouted: readonly number[]
}

/** Detects duplicates: the filter clears an identity, else it is looked up in what is committed; within a batch the first wins. */
export function detect(records: readonly (readonly [offset: number, kind: number])[], options: Detection): Detected {
  const batch: Batch = { counted: new Map(), rows: [], corrections: [] }
  const conflicts: Stored[] = []
  const misrouted: number[] = []
  for (const [offset, index] of records) {
    const event = eventKind(index)
    const stored = storedAs(offset, index)
    if (!options.anywhere && event.home !== options.log) misrouted.push(offset)
    else if (options.reconciling && isStored(stored, options)) batch.counted.set(event.identity, index)
    else if (classify(stored, options, batch) === 'rejected') conflicts.push(stored)
  }
  return { rows: batch.rows, corrections: batch.corrections, conflicts, misrouted }
}

const isStored = (stored: Stored, { seen, log }: Detection) =>
  at(seen.raw, log).includes(stored) || at(seen.corrections, log).some(([other]) => other === stored)

/** Adds a record that counts to the batch. */
function classify(stored: Stored, options: Detection, batch: Batch): 'counted' | 'known' | 'rejected' {
  const { rules, reconciling } = options
  const event = kindOf(stored)
  const mayCount = !reconciling || rules.reconcileCorrections || (event.corrects === undefined && !isOfWindow(event))
  const correction = event.corrects === undefined ? undefined : correctionOf(stored, event.corrects, { options, batch })
  if (rules.targetFirst && correction === 'unknown event') return 'rejected'
  const isCompared = !reconciling || rules.classifyInReconciling
  const found = isCompared ? (batch.counted.get(event.identity) ?? lookUp(stored, options)) : undefined
  if (found === 'own') return 'known'
  if (found !== undefined) return isCopy(event, found, options) ? 'known' : 'rejected'
  if (correction === 'unknown event' || isTooLate(stored, options)) return 'rejected'
  if (isOfWindow(event)) batch.corrections.push(...(mayCount ? changesOfWindow(stored, options) : []))
  else if (correction === undefined) batch.rows.push(stored)
  else if (mayCount) batch.corrections.push(correction)
  if (isCompared) batch.counted.set(event.identity, kindIndexOf(stored))
  return 'counted'
}

/** An event of a batch that is closed, or a revert of one that is not. */
function isTooLate(stored: Stored, options: Detection): boolean {
  const { heldBy, reverts } = kindOf(stored)
  if (heldBy !== undefined) return options.rules.rejectAfterClose && isClosed(heldBy, stored, options)
  return reverts !== undefined && !isClosed(reverts, stored, options)
}

/** An event that was voided or amended keeps its identity and the value that was sent: a copy of it is a duplicate. */
function isCopy(event: EventKind, found: number, { rules, seen }: Detection): boolean {
  const first = eventKind(found)
  if (event.corrects !== first.corrects || event.voids !== first.voids) return false
  if (rules.heldIsNoCopy && event.heldBy !== first.heldBy) return false
  const value = rules.compareWithOriginal || event.corrects !== undefined ? first.value : effectiveOf(first, seen.corrections.flat(), rules)
  return event.value === value
}

/** The kind that is stored under the identity; `own` if it is this very record; undefined if it is new. */
function lookUp(stored: Stored, { seen, log, filter, rules }: Detection): number | 'own' | undefined {
  const { identity, corrects } = kindOf(stored)
  if (isCleared(identity, filter)) return undefined
  for (const [other, events] of seen.raw.entries()) {
    const corrections = at(seen.corrections, other).map(([each]) => each)
    const own = corrects === undefined && !isOfWindow(kindOf(stored)) ? events : corrections
    const found = (rules.sharedIdentities ? [...events, ...corrections] : own === events ? events : []).find((row) => kindOf(row).identity === identity)
    if (found === undefined) continue
    if (!rules.voidKeepsIdentity && effectiveOf(kindOf(found), seen.corrections.flat(), rules) === undefined) continue
    if (other !== log || offsetOf(found) !== offsetOf(stored)) return kindIndexOf(found)
    if (!rules.sameOffset) return undefined
    return found === stored ? 'own' : kindIndexOf(found)
  }
  return undefined
}

const identitiesOf = (rows: readonly Stored[]) => rows.reduce((mask, row) => mask | (1 << kindOf(row).identity), 0)
/** What a batch adds to the filter. */
export const identitiesOfBatch = (rules: Switches, { rows, corrections }: Pick<Detected, 'rows' | 'corrections'>) =>
  identitiesOf(rows) | (rules.filterCorrections ? identitiesOf(corrections.map(([each]) => each)) : 0)
