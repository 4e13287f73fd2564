/**
 * The state of the model. It is immutable plain data, so that a search can compare states by their text.
 *
 * - A handler is one acquisition of one log by one process. A pause, a zombie and a crash are the same thing: it is not scheduled for
 *   a while, or never again. The next handler can start at any time, also in the same process, while earlier ones still run.
 * - A request is sent to ClickHouse and may arrive at any later moment, also after its sender timed out or died. It is compared with
 *   the fence at one moment, and then its parts are committed one after another, in any order.
 * - Reads see committed parts only. A filter is an exact set: its false positives only lead to a look-up.
 */
export interface State {
  /** The records of each topic partition; of the http log nothing, because it cannot be read again. */
  readonly logs: readonly (readonly LogRecord[])[]
  readonly leases: readonly LeaseRow[]
  readonly positions: readonly Position[]
  readonly raw: readonly (readonly Stored[])[]
  readonly rejected: readonly (readonly Stored[])[]
  /** The corrections that count, per log. */
  readonly corrections: readonly (readonly Correction[])[]
  /** Per log and month: index log * 2 + month. */
  readonly rollup: readonly Sums[]
  readonly requests: readonly Request[]
  readonly handlers: readonly Handler[]
  readonly switchers: readonly Switcher[]
  readonly sourceLease: Token
  readonly source: SourceRow
  /** How many time-outs, aborts, rewinds, repeated forwards, refreshes of a day and closings may still happen. */
  readonly left: Left
  /** How many records of the script have been emitted; also the time. */
  readonly time: number
  readonly watermarks: readonly (readonly [timeMs: number, settledThrough: number])[]
  /** Forwarded events: found in a log, copied to another at an offset, appended at a time. */
  readonly forwarded: readonly (readonly [from: number, to: number, offset: number, appended: number])[]
  /** The http requests that were answered, as a bit mask. */
  readonly answered: number
  readonly derived: Derived
  /** What a backup of one shard has; null before one is made. Each log is on a shard of its own. */
  readonly backup: Backup | null
  /** The recount of a process that does not own the log, for the fault repairByOthers. */
  readonly outsider: readonly Sums[] | 'idle' | 'done'
}

/**
 * What the rollup has of a month of one log. The sum and the count are of effective values: each correction adds a difference to them.
 * The maximum is of the values as they were sent, because a maximum cannot be lowered. `records` is the number of events and corrections.
 */
export type Sums = readonly [sum: number, count: number, max: number, records: number]
/** offset * 32 + kind */
export type Stored = number
/**
 * `revision` numbers the corrections of one event, over all logs; `sum` and `count` are what it adds to the rollup. A closing or a revert
 * stores one for each event that it changes, and one of the event `MARKER`; `value` is `VOIDED` for an event that does not count.
 */
export type Correction = readonly [stored: Stored, revision: number, sum: number, count: number, target: number, value: number]
export const MARKER = -1
export const VOIDED = -1
export type Token = readonly [epoch: number, owner: number]
export type LogRecord = readonly [kind: number, appended: number]
export type Position = readonly [...Token, first: number, through: number]
/** The newest token of a name, and how often it was acquired. */
export type LeaseRow = readonly [...Token, acquisitions: number]
/** -1: no source yet. */
export type SourceRow = readonly [...Token, source: number, inForce: 0 | 1]

export interface Handler {
  readonly log: number
  readonly process: number
  readonly step: string
  readonly epoch: number
  readonly owner: number
  /** Read after the kill; 0 before. */
  readonly acquisitions: number
  /** The identities, as a bit mask; -1: not complete. */
  readonly filter: number
  readonly next: number
  readonly first: number
  readonly through: number
  readonly rows: readonly Stored[]
  readonly conflicts: readonly Stored[]
  readonly corrections: readonly Correction[]
  /** What the step needs: recounted months, offsets to forward, answered requests, a noted end. */
  readonly notes: readonly number[]
  readonly parts: readonly Part[]
  /** What another batch saw, for the fault lookAhead. */
  readonly seen: Seen | null
  /** The acquisitions and the filter of the lease before, when this handler acquires it again. */
  readonly before: readonly [acquisitions: number, filter: number] | null
  /** The switcher for which it retires the log; -1: it counts events. */
  readonly retiresFor: number
}

export type Seen = Pick<State, 'raw' | 'corrections'>

/** A run of the verb that changes the source in force. */
export interface Switcher {
  readonly target: number
  readonly step: string
  readonly token: Token
  readonly logs: readonly number[]
}

export type Part =
  | readonly ['raw', month: number, rows: readonly Stored[]]
  | readonly ['corrections', month: number, rows: readonly Correction[]]
  | readonly ['rollup', key: number, ...Sums]
  | readonly ['change', month: number]

export interface Request {
  readonly log: number
  readonly type: 'lease' | 'position' | 'rows' | 'corrections' | 'rejected' | 'differences' | 'change' | 'source' | 'repair'
  readonly epoch: number
  readonly owner: number
  /** The handler that waits for the answer; -1: it timed out. Switchers are 100 and more. */
  readonly waiter: number
  readonly running: boolean
  readonly data: readonly number[]
  readonly parts: readonly Part[]
}

export type Left = Readonly<Record<'timeouts' | 'aborts' | 'rewinds' | 'forwards' | 'refreshes' | 'closings' | 'restores', number>>

/** What is computed from the totals of month 0, and may become outdated. */
export interface Derived {
  /** How many changes of the month were recorded, for each log: with several shards, on each of them. */
  readonly changes: readonly number[]
  /** What a running refresh has read so far. */
  readonly refreshing: { readonly changes: number } | { readonly totals: Totals } | ReadByShard | null
  /** The materialized day. It is used only while the number of changes is the one that it was computed at; -1: there is none. */
  readonly day: readonly [changes: number, ...Totals]
  /** What a running closing has read so far: the number of changes and raw, or the whole recount. */
  readonly closing: { readonly changes: number; readonly raw: State['raw'] } | { readonly recounted: Billed } | null
  /** What all statements together have billed for the month; -1: it is open. */
  readonly billed: Billed
}

/** What a refresh has read of the first shards: first the numbers of changes of all of them, and then their totals, or the other way round. */
export interface ReadByShard {
  readonly changesOf: readonly number[]
  readonly totalsOf: readonly Totals[]
}

/** Everything of one log, and of the shard that it is on. */
export interface Backup {
  readonly log: number
  readonly lease: LeaseRow
  readonly position: Position
  readonly raw: readonly Stored[]
  readonly rejected: readonly Stored[]
  readonly rollup: readonly Sums[]
  readonly changes: number
}

export type Totals = readonly [sum: number, count: number, max: number]
/** `records` is how many events and corrections the recount has read; the number of changes was read before it. */
export type Billed = readonly [records: number, changes: number, ...Totals]

export const SOURCE_LOG = -1
export const FIRST_SWITCHER = 100

/** A record: its identity, value, month, and the partition where it counts. */
export interface EventKind {
  readonly identity: number
  readonly value: number
  readonly month: 0 | 1
  readonly home: number
  /** The identity of the event that it corrects; its month is that event's month. */
  readonly corrects?: number
  readonly voids?: boolean
  /** The batch under which an event was sent: it does not count before that batch is closed. */
  readonly heldBy?: number
  /** The batch that this record closes or reverts. Its window is month 0. */
  readonly closes?: number
  readonly reverts?: number
}

/** Whether a record changes a whole window. */
export const isOfWindow = ({ closes, reverts }: EventKind) => closes !== undefined || reverts !== undefined

const kind = (identity: number, value: number, month: 0 | 1, home = 0): EventKind => ({ identity, value, month, home })
const amend = (identity: number, corrects: number, value: number, month: 0 | 1): EventKind => ({ identity, value, month, home: 0, corrects })
const withdraw = (identity: number, corrects: number, month: 0 | 1): EventKind => ({ identity, value: 0, month, home: 0, corrects, voids: true })
export const KINDS: readonly EventKind[] = [
  ...[kind(0, 1, 0), kind(1, 2, 1), kind(0, 1, 1), kind(0, 8, 0), kind(2, 4, 0)],
  ...[kind(3, 16, 0, 1), kind(3, 32, 0, 1), kind(3, 16, 0), kind(0, 64, 0)],
  ...[withdraw(4, 2, 0), amend(5, 2, 2, 0), amend(6, 2, 3, 0), amend(5, 2, 8, 0), withdraw(7, 1, 1), kind(4, 3, 0), amend(8, 0, 5, 0)],
  ...[{ ...kind(9, 16, 0), heldBy: 1 }, { ...kind(10, 0, 0), closes: 1 }, { ...kind(11, 0, 0), reverts: 1 }, kind(9, 16, 0), amend(12, 9, 3, 0)],
]
const KINDS_MAX = 32
export const offsetOf = (stored: Stored) => Math.floor(stored / KINDS_MAX)
export const storedAs = (offset: number, kindIndex: number): Stored => offset * KINDS_MAX + kindIndex
export const kindIndexOf = (stored: Stored) => stored % KINDS_MAX
export const kindOf = (stored: Stored): EventKind => eventKind(kindIndexOf(stored))

export function eventKind(index: number): EventKind {
  const found = KINDS[index]
  if (found === undefined) throw new Error(`There is no kind ${index}.`)
  return found
}

export function at<T>(list: readonly T[], index: number): T {
  const found = list[index]
  if (found === undefined) throw new Error(`There is no element ${index}.`)
  return found
}

export const withAt = <T>(list: readonly T[], index: number, value: T): T[] => list.map((each, other) => (other === index ? value : each))
export const rollupKey = (log: number, month: number) => log * 2 + month
export const isGreater = (one: Token, other: Token) => one[0] > other[0] || (one[0] === other[0] && one[1] > other[1])
export const isSame = (one: readonly number[], other: readonly number[]) => one[0] === other[0] && one[1] === other[1]
export const owns = (state: State, { log, epoch, owner }: { log: number; epoch: number; owner: number }) => isSame(at(state.leases, log), [epoch, owner])
export const NOTHING = {
  filter: -1,
  next: 0,
  first: 0,
  through: -1,
  rows: [],
  conflicts: [],
  corrections: [],
  notes: [],
  parts: [],
  seen: null,
  before: null,
} as const

export function withHandler(state: State, index: number, changed: Partial<Handler>): State {
  return { ...state, handlers: withAt(state.handlers, index, { ...at(state.handlers, index), ...changed }) }
}
