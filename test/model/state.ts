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
  /** [sum, count, max] per log and month: index log * 2 + month. */
  readonly rollup: readonly Sums[]
  readonly requests: readonly Request[]
  readonly handlers: readonly Handler[]
  readonly switchers: readonly Switcher[]
  readonly sourceLease: Token
  readonly source: SourceRow
  /** How many time-outs, aborts, rewinds and repeated forwards may still happen. */
  readonly left: { readonly timeouts: number; readonly aborts: number; readonly rewinds: number; readonly forwards: number }
  /** How many records of the script have been emitted; also the time. */
  readonly time: number
  readonly watermarks: readonly (readonly [timeMs: number, settledThrough: number])[]
  /** Forwarded events: found in a log, copied to another at an offset, appended at a time. */
  readonly forwarded: readonly (readonly [from: number, to: number, offset: number, appended: number])[]
  /** The http requests that were answered, as a bit mask. */
  readonly answered: number
  /** The recount of a process that does not own the log, for the fault repairByOthers. */
  readonly outsider: readonly Sums[] | 'idle' | 'done'
}

export type Sums = readonly [sum: number, count: number, max: number]
/** offset * 16 + kind */
export type Stored = number
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
  /** What the step needs: recounted months, offsets to forward, answered requests, a noted end. */
  readonly notes: readonly number[]
  readonly parts: readonly Part[]
  /** What another batch saw of raw, for the fault lookAhead. */
  readonly seen: readonly Stored[] | null
  /** The acquisitions and the filter of the lease before, when this handler acquires it again. */
  readonly before: readonly [acquisitions: number, filter: number] | null
  /** The switcher for which it retires the log; -1: it counts events. */
  readonly retiresFor: number
}

/** A run of the verb that changes the source in force. */
export interface Switcher {
  readonly target: number
  readonly step: string
  readonly token: Token
  readonly logs: readonly number[]
}

export type Part = readonly ['raw', month: number, rows: readonly Stored[]] | readonly ['rollup', key: number, ...Sums]

export interface Request {
  readonly log: number
  readonly type: 'lease' | 'position' | 'rows' | 'rejected' | 'differences' | 'source' | 'repair'
  readonly epoch: number
  readonly owner: number
  /** The handler that waits for the answer; -1: it timed out. Switchers are 100 and more. */
  readonly waiter: number
  readonly running: boolean
  readonly data: readonly number[]
  readonly parts: readonly Part[]
}

export const SOURCE_LOG = -1
export const FIRST_SWITCHER = 100

/** An event: its identity, value, month, and the partition where it counts. */
export interface EventKind {
  readonly identity: number
  readonly value: number
  readonly month: 0 | 1
  readonly home: number
}

const kind = (identity: number, value: number, month: 0 | 1, home = 0): EventKind => ({ identity, value, month, home })
export const KINDS = [
  ...[kind(0, 1, 0), kind(1, 2, 1), kind(0, 1, 1), kind(0, 8, 0), kind(2, 4, 0)],
  ...[kind(3, 16, 0, 1), kind(3, 32, 0, 1), kind(3, 16, 0), kind(0, 64, 0)],
]
export const offsetOf = (stored: Stored) => stored >> 4
export const storedAs = (offset: number, kindIndex: number): Stored => offset * 16 + kindIndex
export const kindOf = (stored: Stored): EventKind => eventKind(stored & 15)

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
export const NOTHING = { filter: -1, next: 0, first: 0, through: -1, rows: [], conflicts: [], notes: [], parts: [], seen: null, before: null } as const

export function withHandler(state: State, index: number, changed: Partial<Handler>): State {
  return { ...state, handlers: withAt(state.handlers, index, { ...at(state.handlers, index), ...changed }) }
}
