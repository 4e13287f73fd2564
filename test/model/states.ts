/**
 * The rules of the states of `last` and `unique`. A search that takes one out must find a violation. They are apart from the large model:
 * nothing else of the protocol reads states, and they need neither a fence nor a difference.
 */
export const STATE_RULES = {
  statesAfterRows: 'the states of a batch are computed after its rows are acknowledged',
  reconcileStates: 'reconciling adds the states of the range',
  addingAgainIsHarmless: 'what a state has already is not added to it, as in a maximum and in a set of texts',
} as const
export type StateRule = keyof typeof STATE_RULES

const EVENTS = 3
/** Each acquisition is also a kill: the owner before it does nothing any more. What it has sent may still arrive. */
const ACQUISITIONS_MAX = 3

interface Range {
  readonly first: number
  readonly through: number
}
interface Request extends Range {
  readonly type: 'row' | 'states'
  readonly lease: number
}
interface State {
  readonly lease: number
  readonly step: 'reconcile' | 'idle' | 'rows' | 'states'
  readonly isReconciling: boolean
  /** The last batch: it was written before its rows are sent. */
  readonly position: Range
  /** How often each event of the log is in raw, and in the states. */
  readonly raw: readonly number[]
  readonly states: readonly number[]
  readonly requests: readonly Request[]
}

/** Searches every order of the steps of a log that is read in batches of any size. */
export function searchStates(without?: StateRule): { searched: number; violation: string | undefined } {
  const nothing = Array.from({ length: EVENTS }, () => 0)
  const position = { first: 0, through: -1 }
  const start: State = { lease: 0, step: 'reconcile', isReconciling: true, position, raw: nothing, states: nothing, requests: [] }
  const seen = new Set([JSON.stringify(start)])
  const open = [start]
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    const violation = violationOf(state)
    if (violation !== undefined) return { searched: seen.size, violation }
    for (const next of stepsOf(state, without)) {
      const text = JSON.stringify(next)
      if (!seen.has(text)) open.push(next)
      seen.add(text)
    }
  }
  return { searched: seen.size, violation: undefined }
}

/** Whenever the owner has counted all events, also while something that was sent before is still on its way. */
function violationOf({ step, position, raw, states }: State): string | undefined {
  if (step !== 'idle' || position.through < EVENTS - 1) return undefined
  return [...raw, ...states].every((times) => times === 1) ? undefined : `raw has the events ${raw} times, the states have them ${states} times`
}

function* stepsOf(state: State, without: StateRule | undefined): Generator<State> {
  const { lease, step, position, requests } = state
  // The fence rejects rows that arrive under an older lease, so they need not arrive.
  if (lease < ACQUISITIONS_MAX)
    yield { ...state, lease: lease + 1, step: 'reconcile', isReconciling: true, requests: requests.filter(({ type }) => type === 'states') }
  for (const [index, request] of requests.entries()) yield arrived({ ...state, requests: requests.toSpliced(index, 1) }, request, without)
  if (step === 'reconcile') yield position.through < 0 ? { ...state, step: 'idle' } : withRows(state, without)
  if (step === 'idle')
    for (let through = position.through + 1; through < EVENTS; through += 1)
      yield withRows({ ...state, isReconciling: false, position: { first: position.through + 1, through } }, without)
  if ((step !== 'rows' && step !== 'states') || requests.some((each) => each.lease === lease && (step === 'states' || each.type === 'row'))) return
  const addsStates = step === 'rows' && !(state.isReconciling && without === 'reconcileStates')
  if (!addsStates) yield { ...state, step: 'idle' }
  else yield without === 'statesAfterRows' ? { ...state, step: 'states' } : withStates({ ...state, step: 'states' })
}

/** A part of raw for each event. What is stored is looked up first, so it is not inserted again. */
function withRows(state: State, without: StateRule | undefined): State {
  const { lease, position, raw } = state
  const missing = raw.flatMap((times, event) => (times === 0 && event >= position.first && event <= position.through ? event : []))
  const rows = missing.map((event): Request => ({ type: 'row', lease, first: event, through: event }))
  const sent: State = { ...state, step: 'rows', requests: [...state.requests, ...rows] }
  return without === 'statesAfterRows' ? withStates(sent) : sent
}

function withStates(state: State): State {
  return { ...state, requests: [...state.requests, { type: 'states', lease: state.lease, ...state.position }] }
}

/** States are computed from raw when they arrive, whoever sent them. */
function arrived(state: State, { type, first, through }: Request, without: StateRule | undefined): State {
  const inRange = (event: number) => event >= first && event <= through
  if (type === 'row') return { ...state, raw: state.raw.map((times, event) => (inRange(event) ? times + 1 : times)) }
  const added = (times: number) => (without === 'addingAgainIsHarmless' ? times + 1 : 1)
  return { ...state, states: state.states.map((times, event) => (inRange(event) && state.raw[event] === 1 ? added(times) : times)) }
}
