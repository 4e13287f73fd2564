import type { Switches } from './rules.ts'
import { at, eventKind, kindOf, offsetOf, type Part, rollupKey, type State, type Stored, type Sums, storedAs } from './state.ts'

export interface Detected {
  readonly rows: readonly Stored[]
  readonly conflicts: readonly Stored[]
  readonly misrouted: readonly number[]
}

interface Detection {
  readonly state: State
  readonly log: number
  /** undefined: every event is looked up. */
  readonly filter: number | undefined
  readonly rules: Switches
  readonly reconciling: boolean
  /** Whether an event counts in any log: with two sources, not with two partitions. */
  readonly anywhere: boolean
  /** What the look-up sees of raw, if not what is stored now. */
  readonly seen?: readonly Stored[] | null
}

/** Detects duplicates: the filter clears an identity, else it is looked up in what is committed; within a batch the first wins. */
export function detect(records: readonly (readonly [offset: number, kind: number])[], options: Detection): Detected {
  const { log, rules, reconciling, anywhere, state } = options
  const rows: Stored[] = []
  const conflicts: Stored[] = []
  const misrouted: number[] = []
  const batch = new Map<number, number>()
  for (const [offset, index] of records) {
    const event = eventKind(index)
    const stored = storedAs(offset, index)
    if (!anywhere && event.home !== log) {
      misrouted.push(offset)
      continue
    }
    if (reconciling && at(state.raw, log).includes(stored)) batch.set(event.identity, event.value)
    else if (reconciling && !rules.classifyInReconciling) rows.push(stored)
    else {
      const found = batch.get(event.identity) ?? lookUp(stored, options)
      if (found === 'own') continue
      if (found === undefined) {
        rows.push(stored)
        batch.set(event.identity, event.value)
      } else if (found !== event.value) conflicts.push(stored)
    }
  }
  return { rows, conflicts, misrouted }
}

/** The stored value of the identity; `own` if it is this very event; undefined if it is new. */
function lookUp(stored: Stored, { state, log, filter, rules, seen }: Detection): number | 'own' | undefined {
  const { identity } = kindOf(stored)
  if (filter !== undefined && filter !== -1 && ((filter >> identity) & 1) === 0) return undefined
  for (const [other, rows] of state.raw.entries()) {
    const found = (other === log ? (seen ?? rows) : rows).find((row) => kindOf(row).identity === identity)
    if (found === undefined) continue
    if (other !== log || offsetOf(found) !== offsetOf(stored)) return kindOf(found).value
    if (!rules.sameOffset) return undefined
    return found === stored ? 'own' : kindOf(found).value
  }
  return undefined
}

export const identitiesOf = (rows: readonly Stored[]) => rows.reduce((mask, row) => mask | (1 << kindOf(row).identity), 0)

/** The parts of a batch: for each month one of raw and one of the rollup. */
export function partsOf(log: number, rows: readonly Stored[]): Part[] {
  return [0, 1].flatMap((month): Part[] => {
    const ofMonth = rows.filter((row) => kindOf(row).month === month)
    const values = ofMonth.map((row) => kindOf(row).value)
    if (values.length === 0) return []
    const sum = values.reduce((one, other) => one + other)
    return [
      ['raw', month, ofMonth],
      ['rollup', rollupKey(log, month), sum, values.length, Math.max(...values)],
    ]
  })
}

/** The recount of a month of one log. */
export function recount(rows: readonly Stored[], month: number): Sums {
  const byIdentity = new Map<number, number>()
  for (const row of rows) if (kindOf(row).month === month && !byIdentity.has(kindOf(row).identity)) byIdentity.set(kindOf(row).identity, kindOf(row).value)
  const values = [...byIdentity.values()]
  return [values.reduce((one, other) => one + other, 0), values.length, Math.max(0, ...values)]
}

/** Recount minus rollup, for the months that differ. */
export function differences(state: State, log: number, recounted: readonly (readonly [month: number, sums: Sums])[]): Part[] {
  return recounted.flatMap(([month, [sum, count, max]]): Part[] => {
    const key = rollupKey(log, month)
    const [storedSum, storedCount, storedMax] = at(state.rollup, key)
    return sum !== storedSum || count !== storedCount || max > storedMax ? [['rollup', key, sum - storedSum, count - storedCount, max]] : []
  })
}
