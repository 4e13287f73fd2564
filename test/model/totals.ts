import type { Switches } from './rules.ts'
import { at, type Correction, type EventKind, kindOf, offsetOf, type Part, rollupKey, type State, type Sums, type Totals, VOIDED } from './state.ts'

/** The value of an event after its corrections; undefined if it is voided. */
export function effectiveOf(
  event: EventKind,
  corrections: readonly Correction[],
  { latestByRevision, heldDoNotCount }: Pick<Switches, 'latestByRevision' | 'heldDoNotCount'>,
): number | undefined {
  const order = ([stored, revision]: Correction) => (latestByRevision ? revision : offsetOf(stored))
  let latest: Correction | undefined
  for (const each of corrections) if (each[4] === event.identity && (latest === undefined || order(each) > order(latest))) latest = each
  if (latest === undefined) return event.heldBy !== undefined && heldDoNotCount ? undefined : event.value
  return latest[5] === VOIDED ? undefined : latest[5]
}

/** The fold of the effective values of a month. */
export function fold(
  { raw, corrections }: Pick<State, 'raw' | 'corrections'>,
  month: number,
  rules: Pick<Switches, 'latestByRevision' | 'heldDoNotCount'>,
): Totals {
  const all = corrections.flat()
  const values = raw
    .flat()
    .filter((row) => kindOf(row).month === month)
    .map((row) => effectiveOf(kindOf(row), all, rules))
    .filter((value) => value !== undefined)
  return [values.reduce((one, other) => one + other, 0), values.length, Math.max(0, ...values)]
}

/** What readers get: sums from the rollup; the maximum too, unless the month has a correction. */
export function readTotals(state: State, month: number, rules: Switches): Totals {
  const sums = state.raw.map((_, log) => at(state.rollup, rollupKey(log, month)))
  const stored: Totals = [total(sums.map(([sum]) => sum)), total(sums.map(([, count]) => count)), Math.max(...sums.map(([, , max]) => max))]
  const hasCorrections = state.corrections.flat().some(([row]) => kindOf(row).month === month)
  const hasHeld = state.raw.flat().some((row) => kindOf(row).month === month && kindOf(row).heldBy !== undefined)
  if (!rules.foldCorrectedCells || !(hasCorrections || hasHeld)) return stored
  const folded = fold(state, month, rules)
  return rules.foldAllKinds ? folded : [stored[0], stored[1], folded[2]]
}

/** The recount of a month of one log, as the rollup should have it. */
export function recount(state: State, log: number, month: number, recountCorrections = true): Sums {
  const byIdentity = new Map<number, number>()
  for (const row of at(state.raw, log)) if (kindOf(row).month === month && !byIdentity.has(kindOf(row).identity)) byIdentity.set(kindOf(row).identity, row)
  const events = [...byIdentity.values()].map(kindOf)
  const held = events.filter(({ heldBy }) => heldBy !== undefined).length
  const values = events.filter(({ heldBy }) => heldBy === undefined).map(({ value }) => value)
  const corrections = recountCorrections ? at(state.corrections, log).filter(([stored]) => kindOf(stored).month === month) : []
  return [
    total(values) + total(corrections.map(([, , sum]) => sum)),
    values.length + total(corrections.map(([, , , count]) => count)),
    Math.max(0, ...values),
    events.length + held + corrections.length,
  ]
}

/** Recount minus rollup, for the months that differ. */
export function differences(state: State, log: number, recounted: readonly (readonly [month: number, sums: Sums])[]): Part[] {
  return recounted.flatMap(([month, [sum, count, max, records]]): Part[] => {
    const key = rollupKey(log, month)
    const [storedSum, storedCount, storedMax, storedRecords] = at(state.rollup, key)
    const differs = sum !== storedSum || count !== storedCount || max > storedMax || records !== storedRecords
    return differs ? [['rollup', key, sum - storedSum, count - storedCount, max, records - storedRecords]] : []
  })
}

export const total = (numbers: readonly number[]) => numbers.reduce((one, other) => one + other, 0)
