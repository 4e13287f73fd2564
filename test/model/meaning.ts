import { at, type EventKind, isOfWindow, kindOf, offsetOf, type State, type Stored, storedAs, type Totals } from './state.ts'

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

interface Effective {
  readonly month: number
  /** Undefined if the event does not count. */
  readonly value: number | undefined
  readonly sent: number
  readonly heldBy?: number
}

/** The window has the events of the batch from then on, and no others. The map `closed` gets what those that changed counted before. */
function closeWindow(values: Map<number, Effective>, closed: Map<number, ReadonlyMap<number, Effective>>, batch: number): void {
  const before = [...values].filter(([, { month, value, heldBy }]) => month === 0 && (value !== undefined || heldBy === batch))
  closed.set(batch, new Map(before))
  for (const [identity, event] of before) values.set(identity, { ...event, value: event.heldBy === batch ? event.sent : undefined })
}

export function meaningOf(records: readonly Stored[]): Meaning {
  const firsts: Stored[] = []
  const corrections: Stored[] = []
  const rejected: Stored[] = []
  const counted = new Map<number, EventKind>()
  const values = new Map<number, Effective>()
  /** What the events counted before a batch was closed. */
  const closed = new Map<number, ReadonlyMap<number, Effective>>()
  for (const stored of records) {
    const record = kindOf(stored)
    const { identity, month, value, corrects, voids } = record
    const first = counted.get(identity)
    const target = corrects === undefined ? undefined : values.get(corrects)
    const waits = target?.heldBy !== undefined && !closed.has(target.heldBy)
    if (corrects !== undefined && (target === undefined || waits)) rejected.push(stored)
    else if (first !== undefined) {
      const isCopy = first.value === value && first.corrects === corrects && first.voids === voids && first.heldBy === record.heldBy
      if (!isCopy) rejected.push(stored)
    } else if ((record.heldBy !== undefined && closed.has(record.heldBy)) || (record.reverts !== undefined && !closed.has(record.reverts)))
      rejected.push(stored)
    else {
      counted.set(identity, record)
      if (record.closes !== undefined) closeWindow(values, closed, record.closes)
      else if (record.reverts !== undefined) for (const [each, before] of closed.get(record.reverts) ?? []) values.set(each, before)
      else if (record.heldBy !== undefined) values.set(identity, { month, value: undefined, sent: value, heldBy: record.heldBy })
      else values.set(corrects ?? identity, { month, sent: value, ...target, value: voids ? undefined : value })
      if (corrects === undefined && !isOfWindow(record)) firsts.push(stored)
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
  return raw.flatMap((_, log) => [...new Set(ofLog(log))])
}
