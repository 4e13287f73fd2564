import { at, type EventKind, kindOf, offsetOf, type State, type Stored, storedAs, type Totals } from './state.ts'

/** What the records of a log mean. It is written from the promises alone, and shares nothing with the protocol that it checks. */
export interface Meaning {
  /** The first event of each identity. */
  readonly firsts: readonly Stored[]
  readonly corrections: readonly Stored[]
  /** Conflicts, and corrections of events that were not known before them. */
  readonly rejected: readonly Stored[]
  /** Of months 0 and 1. */
  readonly totals: readonly [Totals, Totals]
}

export function meaningOf(records: readonly Stored[]): Meaning {
  const firsts: Stored[] = []
  const corrections: Stored[] = []
  const rejected: Stored[] = []
  const counted = new Map<number, EventKind>()
  const values = new Map<number, { month: number; value: number | undefined }>()
  for (const stored of records) {
    const record = kindOf(stored)
    const { identity, month, value, corrects, voids } = record
    const first = counted.get(identity)
    if (corrects !== undefined && !values.has(corrects)) rejected.push(stored)
    else if (first !== undefined) {
      if (first.value !== value || first.corrects !== corrects || first.voids !== voids) rejected.push(stored)
    } else {
      counted.set(identity, record)
      values.set(corrects ?? identity, { month, value: voids ? undefined : value })
      if (corrects === undefined) firsts.push(stored)
      else corrections.push(stored)
    }
  }
  const totalsOf = (month: number): Totals => {
    const inMonth = [...values.values()].flatMap((each) => (each.month === month && each.value !== undefined ? [each.value] : []))
    return [inMonth.reduce((one, other) => one + other, 0), inMonth.length, Math.max(0, ...inMonth)]
  }
  return { firsts, corrections, rejected, totals: [totalsOf(0), totalsOf(1)] }
}

/** The records of a topic partition, in order. */
export function recordsOf(state: State, log: number): Stored[] {
  return at(state.logs, log).map(([kind], offset) => storedAs(offset, kind))
}

/** Where the log cannot be read again, or another source was in force before: what is stored, in the order in which it was counted. */
export function storedRecords({ raw, corrections }: State): Stored[] {
  const ofLog = (log: number) => [...at(raw, log), ...at(corrections, log).map(([stored]) => stored)].sort((one, other) => offsetOf(one) - offsetOf(other))
  return raw.flatMap((_, log) => ofLog(log))
}
