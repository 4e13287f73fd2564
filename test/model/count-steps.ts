import type { Acting } from './acquire-steps.ts'
import { advance } from './advance.ts'
import { detect, differences, identitiesOf, recount } from './detect.ts'
import { countsIn, hasSources, isHttp, type Model, type Step } from './model.ts'
import { at, eventKind, type Handler, kindOf, NOTHING, offsetOf, type State, withAt, withHandler } from './state.ts'

/** Reconciling the in-doubt range. */
export function* reconcileSteps(model: Model, state: State, { index, handler, who }: Acting): Generator<Step> {
  const go = (label: string, changed: Partial<Handler>): Step => ({
    label: `${who} ${label}`,
    state: advance(model, withHandler(state, index, changed), index),
  })
  const { log } = handler
  if (handler.step === 'reconcile') {
    const [, , first, through] = model.rules.rangeAfterKill ? at(state.positions, log) : [0, 0, handler.first, handler.through]
    if (through < first) yield go('has nothing to reconcile', { step: 'reconciled', first, through })
    else if (isHttp(model) || handler.retiresFor >= 0) yield go(`reconciles the rollup of [${first}..${through}]`, { step: 'recount', first, through })
    else {
      const { rows, conflicts } = detectIn(model, state, { log, filter: undefined, reconciling: true }, [first, through])
      const rejected = model.rules.reconcileRejected ? conflicts : []
      yield go(`reconciles [${first}..${through}]: raw lacks ${rows.map(offsetOf)}`, { first, through, rows, conflicts: rejected, step: 'reconcile rejected' })
    }
  } else if (handler.step === 'recount') {
    const months = monthsOf(model, state, handler)
    const counted = months.flatMap((month) => [month, ...recount(at(state.raw, log), month)])
    yield go(`recounts raw of months ${months}`, { step: months.length > 0 ? 'compare' : 'reconciled', rows: [], conflicts: [], notes: counted })
  } else if (handler.step === 'compare') {
    const counted = Array.from({ length: handler.notes.length / 4 }, (_, month) => handler.notes.slice(month * 4, month * 4 + 4))
    const parts = differences(
      state,
      log,
      counted.map(([month = 0, sum = 0, count = 0, max = 0]) => [month, [sum, count, max]] as const),
    )
    yield go(parts.length > 0 ? 'repairs the rollup' : 'finds no difference', { step: 'repair', parts, notes: [] })
  } else if (handler.step === 'reconciled') {
    yield { label: `${who} has reconciled`, state: withHandler(state, index, { step: 'idle', next: handler.through + 1, rows: [], conflicts: [], notes: [] }) }
    if (state.left.rewinds > 0 && handler.through >= 0) {
      const rewound = withHandler(state, index, { step: 'idle', next: 0, rows: [], conflicts: [], notes: [] })
      yield { label: `${who} is rewound to 0`, state: { ...rewound, left: { ...state.left, rewinds: state.left.rewinds - 1 } } }
    }
  }
}

function detectIn(
  model: Model,
  state: State,
  how: { log: number; filter: number | undefined; reconciling: boolean; seen?: Handler['seen'] },
  [first, through]: readonly [number, number],
) {
  const records = Array.from({ length: through - first + 1 }, (_, index) => [first + index, at(at(state.logs, how.log), first + index)[0]] as const)
  return detect(records, { ...how, state, rules: model.rules, anywhere: hasSources(model) })
}

function monthsOf(model: Model, state: State, { log, first, through }: Handler): number[] {
  const months = new Set<number>()
  if (isHttp(model)) for (const row of at(state.raw, log)) if (offsetOf(row) >= first && offsetOf(row) <= through) months.add(kindOf(row).month)
  if (!isHttp(model))
    for (const [kind] of at(state.logs, log).slice(first, through + 1)) if (countsIn(model, eventKind(kind), log)) months.add(eventKind(kind).month)
  return [...months].sort()
}

/** Reading and counting batch after batch. */
export function* batchSteps(model: Model, state: State, acting: Acting): Generator<Step> {
  const { handler } = acting
  if (handler.step === 'idle') {
    if (isHttp(model)) yield* httpBatches(model, state, acting)
    else yield* topicBatches(model, state, acting)
    if (model.configuration.watermarks === true) yield* noteEnd(state, acting)
  } else if (handler.step === 'forward') yield* forward(model, state, acting)
  else if (handler.step === 'write 3') yield answerRequests(state, acting)
  else if (handler.step === 'publish') yield publish(model, state, acting)
}

function* topicBatches(model: Model, state: State, { index, handler, who }: Acting): Generator<Step> {
  const { log, next, filter, seen } = handler
  for (let size = 1; size <= model.configuration.batch && next + size <= at(state.logs, log).length; size += 1) {
    const { rows, conflicts, misrouted } = detectIn(model, state, { log, filter, reconciling: false, seen }, [next, next + size - 1])
    const batch = { first: next, through: next + size - 1, rows, conflicts, notes: misrouted, step: misrouted.length > 0 ? 'forward' : 'write 0' }
    const label = `${who} reads [${next}..${next + size - 1}]: ${rows.length} new, ${conflicts.length} rejected, ${misrouted.length} misrouted`
    yield { label, state: advance(model, withHandler(state, index, batch), index) }
  }
}

/** One or two requests that wait share a batch, in any order. */
function* httpBatches(model: Model, state: State, { index, handler, who }: Acting): Generator<Step> {
  const requests = model.configuration.requests ?? []
  const waiting = requests.map((_, number) => number).filter((number) => ((state.answered >> number) & 1) === 0)
  for (const one of waiting)
    for (const other of waiting) {
      const group = one === other ? [one] : [one, other]
      const kinds = group.flatMap((number) => [...at(requests, number)])
      if (kinds.length > model.configuration.batch) continue
      const { log, next, filter } = handler
      const records = kinds.map((kind, offset) => [next + offset, kind] as const)
      const { rows, conflicts } = detect(records, { state, log, filter, rules: model.rules, reconciling: false, anywhere: hasSources(model) })
      const step = rows.length + conflicts.length > 0 ? 'write 0' : 'write 3'
      const batch = { first: next, through: next + kinds.length - 1, rows, conflicts, notes: group, step }
      yield {
        label: `${who} batches the requests ${group}: ${rows.length} new, ${conflicts.length} rejected`,
        state: advance(model, withHandler(state, index, batch), index),
      }
    }
}

function answerRequests(state: State, { index, handler, who }: Acting): Step {
  const { rows, conflicts, notes, filter, next, through } = handler
  const answered = notes.reduce((mask, number) => mask | (1 << number), state.answered)
  const idle = { ...NOTHING, step: 'idle', next: rows.length + conflicts.length > 0 ? through + 1 : next, filter: filter | identitiesOf(rows) }
  return { label: `${who} answers the requests ${notes}`, state: withHandler({ ...state, answered }, index, idle) }
}

function* forward(model: Model, state: State, { index, handler, who }: Acting): Generator<Step> {
  const { log, notes } = handler
  const [kind, appended] = at(at(state.logs, log), at(notes, 0))
  const to = eventKind(kind).home
  const copy = [...at(state.logs, to), [kind, appended] as const]
  const held = model.rules.holdForwarded && model.configuration.watermarks === true
  const forwarded = held ? [...state.forwarded, [log, to, copy.length - 1, appended] as const] : state.forwarded
  const copied = { ...state, logs: withAt(state.logs, to, copy), forwarded }
  const changed = { notes: notes.slice(1), step: notes.length > 1 ? 'forward' : 'write 0' }
  yield { label: `${who} forwards ${notes[0]} to log ${to}`, state: advance(model, withHandler(copied, index, changed), index) }
  if (state.left.forwards > 0)
    yield { label: `${who} forwards ${notes[0]}, and its answer is lost`, state: { ...copied, left: { ...state.left, forwards: state.left.forwards - 1 } } }
}

/** Notes the time and the end of the log: the log is complete up to the time once all offsets below the end are counted. */
function* noteEnd(state: State, { index, handler, who }: Acting): Generator<Step> {
  const { log, next } = handler
  const end = at(state.logs, log).length
  const [time, through] = at(state.watermarks, log)
  if (next >= 1 && next === end && (state.time > time || next - 1 > through))
    yield {
      label: `${who} notes time ${state.time} and reads the end ${end}`,
      state: withHandler(state, index, { step: 'publish', notes: [state.time, next] }),
    }
}

function publish({ rules }: Model, state: State, { index, handler, who }: Acting): Step {
  const [noted = 0, next = 0] = handler.notes
  const time = rules.timeBeforeEnd ? noted : state.time
  const [oldTime, oldThrough] = at(state.watermarks, handler.log)
  const watermarks = withAt(state.watermarks, handler.log, [Math.max(oldTime, time), Math.max(oldThrough, next - 1)] as const)
  return { label: `${who} publishes the watermark ${time}`, state: withHandler({ ...state, watermarks }, index, { step: 'idle', notes: [] }) }
}
