import type { Switches } from './rules.ts'
import type { EventKind } from './state.ts'
import { at, type Handler, isGreater, type LogRecord, NOTHING, type Request, type State } from './state.ts'

/** The bounds of a search. */
export interface Configuration {
  readonly name: string
  readonly logs: number
  /** The log of each event, and its kind. */
  readonly script?: readonly (readonly [log: number, kind: number])[]
  /** Events are emitted while the handlers run, not before. */
  readonly live?: boolean
  /** The kinds of each http request. They are sent again until they are answered. */
  readonly requests?: readonly (readonly number[])[]
  /** The log and the process of each handler, in the order in which they start. */
  readonly starts: readonly (readonly [log: number, process: number])[]
  readonly batch: number
  readonly timeouts?: number
  readonly aborts?: number
  readonly rewinds?: number
  readonly forwards?: number
  /** How often the day is materialized, and how often a month is closed or adjusted. Without both, changes are not recorded. */
  readonly refreshes?: number
  readonly closings?: number
  /** Each log is on a server of its own, which is read on its own. How often one may be restored from a backup that is older. */
  readonly shards?: boolean
  readonly restores?: number
  /** A write that passes the fence is stored at the same moment: for rules that do not depend on what a crash leaves of it. */
  readonly wholeWrites?: boolean
  /** A process may keep its filter. */
  readonly keep?: boolean
  readonly watermarks?: boolean
  /** Log n belongs to source n, and an event counts in any log. The targets of the switches, in the order in which they start. */
  readonly switches?: readonly number[]
  /** There is no source yet. */
  readonly unclaimed?: boolean
}

export interface Step {
  readonly label: string
  readonly state: State
}

export interface Model {
  readonly configuration: Configuration
  readonly rules: Switches
}

export function startOf({ configuration }: Model): State {
  const { logs: count, script = [], live = false, starts, timeouts = 0, aborts = 0, rewinds = 0, forwards = 0, unclaimed = false } = configuration
  const { refreshes = 0, closings = 0, restores = 0 } = configuration
  const logs: LogRecord[][] = Array.from({ length: count }, () => [])
  if (!live) for (const [log, kind] of script) at(logs, log).push([kind, 0])
  const each = <T>(value: T): T[] => logs.map(() => value)
  return {
    logs,
    leases: each([0, -1, 0] as const),
    positions: each([0, -1, 0, -1] as const),
    raw: each([]),
    rejected: each([]),
    corrections: each([]),
    rollup: [...each([0, 0, 0, 0] as const), ...each([0, 0, 0, 0] as const)],
    requests: [],
    handlers: [newHandler(at(starts, 0))],
    switchers: [],
    sourceLease: [0, -1],
    source: [0, -1, unclaimed ? -1 : 0, unclaimed ? 0 : 1],
    left: { timeouts, aborts, rewinds, forwards, refreshes, closings, restores },
    time: live ? 0 : script.length,
    watermarks: each([0, -1] as const),
    forwarded: [],
    answered: 0,
    derived: { changes: each(0), refreshing: null, day: [-1, 0, 0, 0], closing: null, billed: [-1, -1, 0, 0, 0] },
    backup: null,
    outsider: 'idle',
  }
}

export function newHandler([log, process]: readonly [number, number], retiresFor = -1): Handler {
  return { log, process, step: 'acquire', epoch: 0, owner: 0, acquisitions: 0, ...NOTHING, retiresFor }
}

export const isHttp = ({ configuration }: Model) => configuration.requests !== undefined
export const hasSources = ({ configuration }: Model) => configuration.switches !== undefined
export const recordsChanges = ({ configuration: { refreshes = 0, closings = 0 } }: Model) => refreshes + closings > 0
/** With two sources every log is the home of all its events; otherwise each event has a home partition. */
export const countsIn = (model: Model, { home }: EventKind, log: number) => hasSources(model) || home === log

/** Sorted, so that states that differ only in the order of what is on its way are the same. */
export function sorted(requests: readonly Request[]): Request[] {
  if (requests.length < 2) return [...requests]
  return requests
    .map((request) => ({ request, text: JSON.stringify(request) }))
    .sort((one, other) => (one.text < other.text ? -1 : 1))
    .map(({ request }) => request)
}

/** Forgets what cannot matter any more: requests of former owners that can only be rejected, and what handlers that ended knew. */
export function withoutLeftovers(model: Model, state: State): State {
  const { keep = false } = model.configuration
  const { fence, fencePositions, fenceRejected, fenceDifferences, fenceCorrections } = model.rules
  if (!fence || !fencePositions || !fenceRejected || !fenceDifferences || !fenceCorrections) return state
  const isLeftover = ({ log, type, epoch, owner, waiter, running }: Request) =>
    log >= 0 &&
    waiter === -1 &&
    !running &&
    isGreater([...at(state.leases, log)].slice(0, 2) as [number, number], [epoch, owner]) &&
    (type !== 'lease' || !keep)
  const hasLeftovers = state.requests.some(isLeftover)
  const hasEnded = !keep && state.handlers.some(({ step, epoch, filter }) => step === 'ended' && (epoch !== 0 || filter !== -1))
  if (!hasLeftovers && !hasEnded) return state
  const forget = (handler: Handler) => (handler.step === 'ended' ? { ...handler, epoch: 0, owner: 0, acquisitions: 0, filter: -1 } : handler)
  return {
    ...state,
    requests: hasLeftovers ? state.requests.filter((request) => !isLeftover(request)) : state.requests,
    handlers: hasEnded ? state.handlers.map(forget) : state.handlers,
  }
}
