import { hasSources, type Model, newHandler, type Step, sorted } from './model.ts'
import { at, FIRST_SWITCHER, isSame, type Request, SOURCE_LOG, type State, type Switcher, withAt } from './state.ts'

/** The owner names of switchers, apart from those of handlers. */
const SWITCHER_OWNER = 900
const SWITCHER_PROCESS = 9

/**
 * The verb that changes the source in force. It can stop after each step, and be run again, also while an earlier run goes on:
 * 1. Acquire the lease `source`.
 * 2. Write that it switches: no source is in force.
 * 3. Look up which logs of other sources have leases. A process that acquires one later finds that its source is not in force.
 * 4. Acquire the lease of each, and reconcile its rollup.
 * 5. Write that the new source is in force.
 */
export function* switchSteps(model: Model, state: State): Generator<Step> {
  if (!hasSources(model)) return
  const targets = model.configuration.switches ?? []
  const started = state.switchers.length
  if (started < targets.length) {
    const switcher: Switcher = { target: at(targets, started), step: 'acquire', token: [0, 0], logs: [] }
    yield { label: `a switch to source ${switcher.target} is started`, state: { ...state, switchers: [...state.switchers, switcher] } }
  }
  for (const [index, switcher] of state.switchers.entries()) {
    const who = `switch ${index} to source ${switcher.target}`
    const go = (label: string, changed: Partial<Switcher>, from = state): Step => ({ label: `${who} ${label}`, state: withSwitcher(from, index, changed) })
    yield* stepsOf(model, state, { index, switcher, go })
  }
}

interface Switching {
  readonly index: number
  readonly switcher: Switcher
  readonly go: (label: string, changed: Partial<Switcher>, from?: State) => Step
}

function* stepsOf({ rules }: Model, state: State, { index, switcher, go }: Switching): Generator<Step> {
  const { step, target } = switcher
  const afterEnumeration = rules.switchingFirst ? 'retire' : 'write switching'
  if (step === 'acquire') {
    const token = [state.sourceLease[0] + 1, SWITCHER_OWNER + index] as const
    const first = !rules.inForceLast ? 'write in force' : rules.switchingFirst ? 'write switching' : 'enumerate'
    yield go('acquires the lease of the source', { token, step: first }, { ...state, sourceLease: token })
  } else if (step === 'write switching') yield sendSource(state, { index, switcher, go }, 0)
  else if (step === 'write in force') yield sendSource(state, { index, switcher, go }, 1)
  else if (step === 'write switching stored') yield go('is stored as switching', { step: rules.switchingFirst ? 'enumerate' : 'retire' })
  else if (step === 'write in force stored') yield go('is in force', { step: rules.inForceLast ? 'ended' : 'enumerate' })
  else if (step === 'enumerate') {
    const logs = rules.retireOthers ? state.leases.map((_, log) => log).filter((log) => log !== target && at(state.leases, log)[2] > 0) : []
    yield go(`finds the leases of the logs ${logs}`, { logs, step: afterEnumeration })
  } else if (step === 'retire') yield* retire(rules.inForceLast, state, { index, switcher, go })
}

function* retire(inForceLast: boolean, state: State, { index, switcher, go }: Switching): Generator<Step> {
  const [log] = switcher.logs
  if (log === undefined) yield go('has retired all of them', { step: inForceLast ? 'write in force' : 'ended' })
  else {
    const retiring = state.handlers.find((handler) => handler.retiresFor === index && handler.log === log)
    if (retiring === undefined)
      yield go(`retires log ${log}`, {}, { ...state, handlers: [...state.handlers, newHandler([log, SWITCHER_PROCESS + index], index)] })
    else if (retiring.step === 'retired') yield go(`has retired log ${log}`, { logs: switcher.logs.slice(1) })
  }
}

function sendSource(state: State, { index, switcher, go }: Switching, inForce: 0 | 1): Step {
  const [epoch, owner] = switcher.token
  const request: Request = {
    log: SOURCE_LOG,
    type: 'source',
    epoch,
    owner,
    waiter: FIRST_SWITCHER + index,
    running: false,
    data: [switcher.target, inForce],
    parts: [],
  }
  const sent = { ...state, requests: sorted([...state.requests, request]) }
  return go(inForce === 1 ? 'writes that its source is in force' : 'writes that it switches', { step: `${switcher.step} sent` }, sent)
}

function withSwitcher(state: State, index: number, changed: Partial<Switcher>): State {
  return { ...state, switchers: withAt(state.switchers, index, { ...at(state.switchers, index), ...changed }) }
}

/** No switch has begun that could still change anything. */
export function areSwitchesOver(state: State): boolean {
  return state.switchers.every(({ step, token }) => step === 'ended' || !isSame(token, state.sourceLease))
}
