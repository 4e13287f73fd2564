import { advance, send } from './advance.ts'
import { identitiesOfBatch } from './detect.ts'
import { hasSources, type Model, type Step } from './model.ts'
import { at, type Handler, isGreater, NOTHING, owns, SOURCE_LOG, type State, withHandler } from './state.ts'
import { kill } from './store-steps.ts'

export interface Acting {
  readonly index: number
  readonly handler: Handler
  readonly who: string
}

/** Two processes that claim their sources could overtake each other without end. */
const CLAIMS_MAX = 4

/** Acquiring the lease of a log, up to where the in-doubt range is read. */
export function* acquireSteps(model: Model, state: State, acting: Acting): Generator<Step> {
  const { index, handler, who } = acting
  const { rules } = model
  const go = (label: string, changed: Partial<Handler>, from = state): Step => ({
    label: `${who} ${label}`,
    state: advance(model, withHandler(from, index, changed), index),
  })
  switch (handler.step) {
    case 'acquire':
      yield sendLease(model, state, acting)
      return
    case 'read back':
      if (!owns(state, handler)) yield notNewest(go, handler)
      else yield go('reads back that it is the owner', { step: rules.filterAfterKill ? 'kill' : 'fill' })
      return
    case 'kill':
      yield go(rules.kill ? 'kills the running inserts' : 'does not kill', { step: 'count' }, rules.kill ? kill(model, state, handler.log) : state)
      return
    case 'count':
      if (rules.readBackAgain && !owns(state, handler)) yield notNewest(go, handler)
      else yield go('reads how often the name was acquired', { acquisitions: at(state.leases, handler.log)[2], step: 'check source' })
      return
    case 'check source':
      yield* checkSource(model, state, acting)
      return
    case 'acquire source':
      yield go('acquires the lease of the source', { step: 'claim', notes: [state.sourceLease[0] + 1] }, withSourceLease(state, index))
      return
    case 'claim':
      yield* claim(model, state, acting)
      return
    case 'fill':
      yield* fillFilter(model, state, acting)
      return
    case 'failed':
      yield afterFailure(model, state, acting)
      return
  }
}

type Go = (label: string, changed: Partial<Handler>, from?: State) => Step

function notNewest(go: Go, { retiresFor, filter }: Handler): Step {
  // A switch acquires until it has the lease: the owner that overtook it stops as soon as it reads the source in force.
  if (retiresFor >= 0) return go('was overtaken, and tries again', { step: 'acquire' })
  return go('was overtaken, and stops', { ...NOTHING, filter, step: 'ended' })
}

function sendLease({ rules }: Model, state: State, { index, handler, who }: Acting): Step {
  const { log, process } = handler
  const [epoch] = at(state.leases, log)
  const owner = rules.uniqueOwner ? process * 16 + index : process
  const [, , first, through] = at(state.positions, log)
  const range = rules.rangeAfterKill ? {} : { first, through }
  const asked = withHandler(state, index, { epoch: epoch + 1, owner, ...range })
  return { label: `${who} inserts the token (${epoch + 1},${owner})`, state: send(asked, index, { type: 'lease' }) }
}

function* checkSource(model: Model, state: State, { index, handler, who }: Acting): Generator<Step> {
  const next = model.rules.filterAfterKill && handler.retiresFor < 0 ? 'fill' : 'reconcile'
  const go: Go = (label, changed, from = state) => ({ label: `${who} ${label}`, state: advance(model, withHandler(from, index, changed), index) })
  const [, , source, inForce] = state.source
  if (!hasSources(model) || handler.retiresFor >= 0) yield go('is the owner', { step: next })
  else if (!model.rules.checkSourceAfterLease) yield go('checked the source before', { step: next })
  else if (source === -1 && state.sourceLease[0] < CLAIMS_MAX) yield go('finds no source', { step: 'acquire source' })
  else if (source === -1) return
  else if (inForce === 1 && source === handler.log) yield go('finds its source in force', { step: next })
  else yield go('finds another source in force, and gives up', { ...NOTHING, step: 'ended' })
}

function withSourceLease(state: State, owner: number): State {
  return { ...state, sourceLease: [state.sourceLease[0] + 1, owner] }
}

/** The lease `source` is acquired; if there is still no source, this one is put in force. */
function* claim({ rules }: Model, state: State, { index, handler, who }: Acting): Generator<Step> {
  if (rules.claimUnderLease && state.source[2] !== -1)
    yield { label: `${who} finds that another process has claimed a source`, state: withHandler(state, index, { step: 'check source', notes: [] }) }
  else
    yield {
      label: `${who} claims its source`,
      state: send(state, index, { type: 'source', log: SOURCE_LOG, epoch: handler.notes[0] ?? 0, owner: index, data: [handler.log, 1] }),
    }
}

function* fillFilter(model: Model, state: State, { index, handler, who }: Acting): Generator<Step> {
  const { rules, configuration } = model
  const go: Go = (label, changed) => ({ label: `${who} ${label}`, state: advance(model, withHandler(state, index, changed), index) })
  const step = rules.filterAfterKill ? 'reconcile' : 'kill'
  yield go('fills its filter from raw', {
    filter: identitiesOfBatch(rules, { rows: state.raw.flat(), corrections: state.corrections.flat() }),
    step,
    before: null,
  })
  if (configuration.keep !== true || handler.retiresFor >= 0) return
  const mayKeep = (acquisitions: number, filter: number) =>
    acquisitions > 0 && (!rules.keepByCount || acquisitions + 1 === handler.acquisitions) && (filter !== -1 || !rules.keepOnlyComplete)
  const kept = (filter: number) => (filter === -1 ? 0 : filter)
  if (handler.before !== null && mayKeep(...handler.before)) yield go('keeps its filter', { filter: kept(handler.before[1]), step, before: null })
  for (const [other, { log, process, acquisitions, filter }] of state.handlers.entries())
    if (other < index && process === handler.process && log === handler.log && mayKeep(acquisitions, filter))
      yield go(`keeps the filter of handler ${other}`, { filter: kept(filter), step, before: null })
}

/** After an error nothing is known of what was sent. */
function afterFailure(model: Model, state: State, acting: Acting): Step {
  const { index, handler, who } = acting
  const { rules, configuration } = model
  if (!rules.reacquire) {
    const killed = rules.kill ? kill(model, state, handler.log) : state
    const [, , first, through] = at(state.positions, handler.log)
    return { label: `${who} kills its inserts and reconciles`, state: withHandler(killed, index, { step: 'reconcile', first, through }) }
  }
  const newest = at(state.leases, handler.log)
  if (isGreater([newest[0], newest[1]], [handler.epoch, handler.owner]))
    return { label: `${who} was overtaken, and stops`, state: withHandler(state, index, { ...NOTHING, filter: handler.filter, step: 'ended' }) }
  const before = configuration.keep === true ? ([handler.acquisitions, handler.filter] as const) : null
  const again = withHandler(state, index, { ...NOTHING, acquisitions: 0, filter: rules.keepOnlyComplete ? -1 : handler.filter, before })
  return sendLease(model, withHandler(again, index, { step: 'acquire' }), { ...acting, handler: at(again.handlers, index) })
}
