import { type Correction, kindOf, type Part, rollupKey, type Stored } from './state.ts'
import { total } from './totals.ts'

/** The parts of a batch's events: for each month one of raw, then one of the rollup, then the record of the change. */
export function partsOfRows(log: number, rows: readonly Stored[], recordsChanges: boolean): Part[] {
  return [0, 1].flatMap((month): Part[] => {
    const ofMonth = rows.filter((row) => kindOf(row).month === month)
    const events = ofMonth.map(kindOf)
    const held = events.filter(({ heldBy }) => heldBy !== undefined).length
    const values = events.filter(({ heldBy }) => heldBy === undefined).map(({ value }) => value)
    if (events.length === 0) return []
    return [
      ['raw', month, ofMonth],
      ['rollup', rollupKey(log, month), total(values), values.length, Math.max(0, ...values), events.length + held],
      ...changeOf(month, recordsChanges),
    ]
  })
}

/** The same for corrections: they add differences, and leave the maximum as it is. */
export function partsOfCorrections(log: number, corrections: readonly Correction[], recordsChanges: boolean): Part[] {
  return [0, 1].flatMap((month): Part[] => {
    const ofMonth = corrections.filter(([stored]) => kindOf(stored).month === month)
    if (ofMonth.length === 0) return []
    const [sum, count] = [total(ofMonth.map(([, , each]) => each)), total(ofMonth.map(([, , , each]) => each))]
    return [['corrections', month, ofMonth], ['rollup', rollupKey(log, month), sum, count, 0, ofMonth.length], ...changeOf(month, recordsChanges)]
  })
}

/** Days are materialized of month 0 only. */
export const changeOf = (month: number, recordsChanges: boolean): Part[] => (recordsChanges && month === 0 ? [['change', month]] : [])

/** Each correction in a part of its own, for the fault splitCorrections. */
export const splitCorrections = (parts: readonly Part[]): Part[] =>
  parts.flatMap((part): Part[] => (part[0] === 'corrections' ? part[2].map((each) => ['corrections', part[1], [each]]) : [part]))

/** What must be committed before a part is: raw or the corrections of a month before its rollup, and this before the change. */
export function isBlocked(part: Part, parts: readonly Part[], rules: { readonly rawFirst: boolean; readonly changeAfterRollup: boolean }): boolean {
  if (part[0] === 'rollup' && rules.rawFirst) return parts.some((other) => (other[0] === 'raw' || other[0] === 'corrections') && other[1] === part[1] % 2)
  if (part[0] === 'change' && rules.changeAfterRollup) return parts.some((other) => other[0] === 'rollup' && other[1] % 2 === part[1])
  return false
}
