import { acquireSteps } from './acquire-steps.ts'
import { batchSteps, reconcileSteps } from './count-steps.ts'
import { derivedSteps } from './derived-steps.ts'
import { type Model, newHandler, type Step, sorted, withoutLeftovers } from './model.ts'
import { shardSteps } from './shard-steps.ts'
import { at, type Handler, type State, withAt, withHandler } from './state.ts'
import { spendTimeout, storeSteps } from './store-steps.ts'
import { switchSteps } from './switch-steps.ts'

/** Everything that can happen next. */
export function successors(model: Model, state: State): Step[] {
  return [...steps(model, state)].map((step) => ({ label: step.label, state: withoutLeftovers(model, step.state) }))
}

function* steps(model: Model, state: State): Generator<Step> {
  yield* worldSteps(model, state)
  yield* storeSteps(model, state)
  for (const [index, handler] of state.handlers.entries()) {
    const who = `handler ${index} (process ${handler.process}, log ${handler.log}${handler.retiresFor >= 0 ? ', retires it' : ''})`
    if (handler.step.endsWith(' sent')) yield* waitingSteps(model, state, { index, handler, who })
    else {
      yield* acquireSteps(model, state, { index, handler, who })
      yield* reconcileSteps(model, state, { index, handler, who })
      yield* batchSteps(model, state, { index, handler, who })
    }
  }
  yield* switchSteps(model, state)
  yield* derivedSteps(model, state)
  yield* shardSteps(model, state)
}

function* worldSteps({ configuration: { script = [], starts } }: Model, state: State): Generator<Step> {
  if (state.time < script.length) {
    const [log, kind] = at(script, state.time)
    const time = state.time + 1
    yield {
      label: `event ${kind} is appended to log ${log}`,
      state: { ...state, time, logs: withAt(state.logs, log, [...at(state.logs, log), [kind, time] as const]) },
    }
  }
  const started = state.handlers.filter(({ retiresFor }) => retiresFor < 0).length
  if (started < starts.length) {
    const [log, process] = at(starts, started)
    yield { label: `process ${process} starts with log ${log}`, state: { ...state, handlers: [...state.handlers, newHandler([log, process])] } }
  }
}

/** The client of a request can time out; the request goes on. */
function* waitingSteps({ rules }: Model, state: State, { index, handler, who }: { index: number; handler: Handler; who: string }): Generator<Step> {
  if (state.left.timeouts > 0) {
    const requests = sorted(state.requests.map((request) => (request.waiter === index ? { ...request, waiter: -1 } : request)))
    const step = handler.step === 'acquire sent' ? 'acquire' : handler.step === 'claim sent' ? 'check source' : handler.retiresFor >= 0 ? 'acquire' : 'failed'
    const timedOut = withHandler({ ...spendTimeout(state), requests }, index, { step, rows: [], conflicts: [], corrections: [], notes: [], parts: [] })
    yield { label: `${who} times out (${handler.step})`, state: timedOut }
  }
  if (rules.watermarkInDoubt && handler.step.startsWith('write') && at(state.watermarks, handler.log)[1] < handler.through) {
    const appended = at(at(state.logs, handler.log), handler.through)[1]
    const [time] = at(state.watermarks, handler.log)
    yield {
      label: `${who} publishes the watermark of its position`,
      state: { ...state, watermarks: withAt(state.watermarks, handler.log, [Math.max(time, appended), handler.through] as const) },
    }
  }
}
