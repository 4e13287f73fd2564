import { advance } from './advance.ts'
import type { Model, Step } from './model.ts'
import { sorted } from './model.ts'
import { isBlocked } from './parts.ts'
import {
  at,
  type Correction,
  FIRST_SWITCHER,
  isGreater,
  isSame,
  NOTHING,
  owns,
  type Part,
  type Request,
  SOURCE_LOG,
  type SourceRow,
  type State,
  type Stored,
  withAt,
  withHandler,
} from './state.ts'
import { differences, recount } from './totals.ts'

/** What can happen to the requests that were sent to ClickHouse. */
export function* storeSteps(model: Model, state: State): Generator<Step> {
  for (const request of state.requests) {
    if (request.running) yield* runningSteps(model, state, request)
    else yield* arrivingSteps(model, state, request)
  }
  if (model.rules.repairByOthers) yield* outsiderSteps(state)
}

function* arrivingSteps(model: Model, state: State, request: Request): Generator<Step> {
  const what = nameOf(request)
  if (model.rules.repeatRequest && state.left.timeouts > 0 && request.type === 'rows')
    yield {
      label: `something on the way repeats ${what}`,
      state: { ...spendTimeout(state), requests: sorted([...state.requests, { ...request, waiter: -1 }]) },
    }
  if (isFenced(model, request) && !hasNewestToken(state, request))
    yield { label: `the fence rejects ${what}`, state: answer(model, without(state, request), request, 'rejected') }
  else if (request.type === 'lease' || request.type === 'source' || model.configuration.wholeWrites === true)
    yield { label: `${what} is stored`, state: answer(model, storeWhole(without(state, request), request), request, 'stored') }
  else yield { label: `${what} passes the fence`, state: { ...state, requests: sorted([...without(state, request).requests, { ...request, running: true }]) } }
}

function* runningSteps(model: Model, state: State, request: Request): Generator<Step> {
  const what = nameOf(request)
  if (state.left.aborts > 0) {
    const failed = answer(model, without(state, request), request, 'failed')
    yield { label: `${what} is aborted`, state: { ...failed, left: { ...failed.left, aborts: failed.left.aborts - 1 } } }
  }
  if (request.type === 'position' || request.type === 'rejected') {
    yield { label: `${what} is stored`, state: answer(model, store(without(state, request), request), request, 'stored') }
    return
  }
  for (const part of request.parts) {
    const [kind, where] = part
    if (isBlocked(part, request.parts, model.rules)) continue
    const left = request.parts.filter((other) => other !== part)
    const committed = commit(without(state, request), request.log, part)
    const next =
      left.length > 0 ? { ...committed, requests: sorted([...committed.requests, { ...request, parts: left }]) } : answer(model, committed, request, 'stored')
    yield { label: `${what}: the ${kind} part ${where} is committed`, state: next }
  }
}

function isFenced({ rules }: Model, { type }: Request): boolean {
  if (type === 'lease' || type === 'repair' || type === 'change') return false
  if (type === 'source') return rules.fenceSource
  if (type === 'position') return rules.fence && rules.fencePositions
  if (type === 'rejected') return rules.fence && rules.fenceRejected
  if (type === 'corrections') return rules.fence && rules.fenceCorrections
  return rules.fence && (type === 'rows' || rules.fenceDifferences)
}

function hasNewestToken(state: State, request: Request): boolean {
  return request.log === SOURCE_LOG ? isSame(state.sourceLease, [request.epoch, request.owner]) : owns(state, request)
}

function store(state: State, { type, log, epoch, owner, data }: Request): State {
  if (type === 'rejected') return { ...state, rejected: withAt(state.rejected, log, merged(at(state.rejected, log), data)) }
  if (type === 'source') {
    const row: SourceRow = [epoch, owner, data[0] ?? -1, data[1] === 1 ? 1 : 0]
    const isNewer = isGreater([epoch, owner], [state.source[0], state.source[1]]) || (isSame(row, state.source) && row[3] >= state.source[3])
    return isNewer ? { ...state, source: row } : state
  }
  if (type === 'lease') {
    const [newestEpoch, newestOwner, acquisitions] = at(state.leases, log)
    const newest = isGreater([epoch, owner], [newestEpoch, newestOwner]) ? [epoch, owner] : [newestEpoch, newestOwner]
    return { ...state, leases: withAt(state.leases, log, [newest[0] ?? 0, newest[1] ?? 0, acquisitions + 1]) }
  }
  const [first = 0, through = -1] = data
  const [oldEpoch, oldOwner, oldFirst] = at(state.positions, log)
  const isNewer = isGreater([epoch, owner], [oldEpoch, oldOwner]) || (isSame([epoch, owner], [oldEpoch, oldOwner]) && first >= oldFirst)
  return isNewer ? { ...state, positions: withAt(state.positions, log, [epoch, owner, first, through]) } : state
}

function storeWhole(state: State, request: Request): State {
  const { log, parts } = request
  return parts.length > 0 ? parts.reduce((before, part) => commit(before, log, part), state) : store(state, request)
}

function commit(state: State, log: number, part: Part): State {
  if (part[0] === 'raw') return { ...state, raw: withAt(state.raw, log, merged(at(state.raw, log), part[2])) }
  if (part[0] === 'corrections') return { ...state, corrections: withAt(state.corrections, log, mergedCorrections(at(state.corrections, log), part[2])) }
  if (part[0] === 'change') return { ...state, derived: { ...state.derived, changes: withAt(state.derived.changes, log, at(state.derived.changes, log) + 1) } }
  const [, key, sum, count, max, records] = part
  const [oldSum, oldCount, oldMax, oldRecords] = at(state.rollup, key)
  return { ...state, rollup: withAt(state.rollup, key, [oldSum + sum, oldCount + count, Math.max(oldMax, max), oldRecords + records]) }
}

/** Of two rows of one correction the first stays. */
function mergedCorrections(stored: readonly Correction[], added: readonly Correction[]): Correction[] {
  const isNew = ([row, , , , target]: Correction) => !stored.some((other) => other[0] === row && other[4] === target)
  return [...stored, ...added.filter(isNew)].sort((one, other) => one[0] - other[0] || one[4] - other[4])
}

const merged = (one: readonly Stored[], other: readonly Stored[]) => [...new Set([...one, ...other])].sort((first, second) => first - second)
const without = (state: State, request: Request): State => ({ ...state, requests: state.requests.filter((other) => other !== request) })
export const spendTimeout = (state: State): State => ({ ...state, left: { ...state.left, timeouts: state.left.timeouts - 1 } })
const nameOf = ({ type, log, epoch, owner, waiter }: Request) =>
  `the insert of ${type} of (${epoch},${owner}) ${log === SOURCE_LOG ? '' : `log ${log}`}${waiter < 0 ? ' [nobody waits]' : ''}`

/** Tells the client what became of its request, if it still waits. */
function answer(model: Model, state: State, { waiter }: Request, outcome: 'stored' | 'rejected' | 'failed'): State {
  if (waiter < 0) return state
  if (waiter >= FIRST_SWITCHER) {
    const index = waiter - FIRST_SWITCHER
    const switcher = at(state.switchers, index)
    const step = outcome === 'stored' ? switcher.step.replace(' sent', ' stored') : 'ended'
    return { ...state, switchers: withAt(state.switchers, index, { ...switcher, step }) }
  }
  const handler = at(state.handlers, waiter)
  if (outcome === 'stored') return advance(model, withHandler(state, waiter, { step: handler.step.replace(' sent', ' stored') }), waiter)
  const isAcquiring = handler.step === 'acquire sent'
  // A claim or a lease that was not stored is sent again; so is the lease of a log that is being retired.
  if (isAcquiring || handler.step === 'claim sent') return withHandler(state, waiter, { step: isAcquiring ? 'acquire' : 'check source' })
  if (handler.retiresFor >= 0) return withHandler(state, waiter, { ...NOTHING, step: 'acquire' })
  if (outcome === 'rejected') return withHandler(state, waiter, { ...NOTHING, filter: handler.filter, step: 'ended' })
  return withHandler(state, waiter, { step: 'failed', rows: [], conflicts: [], corrections: [], notes: [], parts: [] })
}

/** Ends the running inserts of a log; what they committed stays. */
export function kill(model: Model, state: State, log: number): State {
  let killed = state
  for (const request of state.requests) if (request.running && request.log === log) killed = answer(model, without(killed, request), request, 'failed')
  return killed
}

function* outsiderSteps(state: State): Generator<Step> {
  if (state.outsider === 'idle') yield { label: 'an outsider recounts raw', state: { ...state, outsider: [0, 1].map((month) => recount(state, 0, month)) } }
  else if (state.outsider !== 'done') {
    const parts = differences(
      state,
      0,
      state.outsider.map((sums, month) => [month, sums] as const),
    )
    const repair: Request = { log: 0, type: 'repair', epoch: 0, owner: 0, waiter: -1, running: true, data: [], parts }
    yield {
      label: 'the outsider repairs',
      state: { ...state, outsider: 'done', requests: parts.length > 0 ? sorted([...state.requests, repair]) : state.requests },
    }
  }
}
