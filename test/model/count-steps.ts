import type { Acting } from './acquire-steps.ts'
import { advance } from './advance.ts'
import { detect, identitiesOfBatch } from './detect.ts'
import { countsIn, hasSources, isHttp, type Model, recordsChanges, type Step } from './model.ts'
import { changeOf } from './parts.ts'
import {
  at,
  eventKind,
  type Handler,
  isOfWindow,
  kindOf,
  NOTHING,
  offsetOf,
  rollupKey,
  type State,
  type Stored,
  type Sums,
  withAt,
  withHandler,
} from './state.ts'
import { differences, recount } from './totals.ts'

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
      const { rows, conflicts, corrections } = detectIn(model, state, { log, filter: undefined, reconciling: true }, [first, through])
      const rejected = model.rules.reconcileRejected ? conflicts : []
      yield go(`reconciles [${first}..${through}]: raw lacks ${rows.map(offsetOf)}`, {
        first,
        through,
        rows,
        corrections,
        conflicts: rejected,
        step: 'reconcile rejected',
      })
    }
  } else if (handler.step === 'recount') {
    const months = monthsOf(model, state, handler).filter((month) => isBehind(model, state, { log, month }))
    const counted = months.flatMap((month) => [month, ...recount(state, log, month, model.rules.recountCorrections)])
    yield go(`recounts raw of months ${months}`, {
      step: months.length > 0 ? 'compare' : 'record changes',
      rows: [],
      conflicts: [],
      corrections: [],
      notes: counted,
    })
  } else if (handler.step === 'compare') {
    const counted = Array.from({ length: handler.notes.length / 5 }, (_, index): readonly [number, Sums] => {
      const [month = 0, sum = 0, count = 0, max = 0, records = 0] = handler.notes.slice(index * 5, index * 5 + 5)
      return [month, [sum, count, max, records]]
    })
    const parts = differences(state, log, counted).flatMap((part) => [part, ...(part[0] === 'rollup' ? changeOf(part[1] % 2, recordsChanges(model)) : [])])
    if (counted.some(([month, sums]) => isAhead(model, sums, at(state.rollup, rollupKey(log, month)))))
      yield go('finds the rollup ahead of raw', { step: 'stopped' })
    else yield go(parts.length > 0 ? 'repairs the rollup' : 'finds no difference', { step: 'repair', parts, notes: [] })
  } else if (handler.step === 'reconciled') {
    yield {
      label: `${who} has reconciled`,
      state: withHandler(state, index, { step: 'idle', next: handler.through + 1, rows: [], conflicts: [], corrections: [], notes: [] }),
    }
    if (state.left.rewinds > 0 && handler.through >= 0) {
      const rewound = withHandler(state, index, { step: 'idle', next: 0, rows: [], conflicts: [], corrections: [], notes: [] })
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
  return detect(records, { ...how, seen: how.seen ?? state, rules: model.rules, anywhere: hasSources(model) })
}

/** The months of the range, from what is stored of it if nothing else is known of a log. */
function monthsOf(model: Model, state: State, { log, first, through, retiresFor }: Handler): number[] {
  const inRange = (row: Stored) => offsetOf(row) >= first && offsetOf(row) <= through
  const corrections = model.rules.monthsOfCorrections ? at(state.corrections, log).map(([stored]) => stored) : []
  const stored = [...at(state.raw, log), ...corrections].filter(inRange).map(kindOf)
  const read = at(state.logs, log)
    .slice(first, through + 1)
    .map(([kind]) => eventKind(kind))
    .filter((kind) => countsIn(model, kind, log))
  return [...new Set((isHttp(model) || retiresFor >= 0 ? stored : read).map(({ month }) => month))].sort()
}

/** A cheap comparison, before anything is recounted: the numbers of what is stored and of what the rollup has. */
function isBehind({ rules }: Model, state: State, { log, month }: { readonly log: number; readonly month: number }): boolean {
  const [, count, , records] = recount(state, log, month)
  const [, countInRollup, , recordsInRollup] = at(state.rollup, rollupKey(log, month))
  return rules.compareRecords ? records !== recordsInRollup : count !== countInRollup
}

/** What adding cannot repair. */
function isAhead({ rules }: Model, [, count, max, records]: Sums, [, countInRollup, maxInRollup, recordsInRollup]: Sums): boolean {
  return maxInRollup > max || (rules.aheadByRecords ? recordsInRollup > records : countInRollup > count)
}

/** Reading and counting batch after batch. */
export function* batchSteps(model: Model, state: State, acting: Acting): Generator<Step> {
  const { handler } = acting
  if (handler.step === 'idle') {
    if (isHttp(model)) yield* httpBatches(model, state, acting)
    else yield* topicBatches(model, state, acting)
    if (model.configuration.watermarks === true) yield* noteEnd(state, acting)
  } else if (handler.step === 'forward') yield* forward(model, state, acting)
  else if (handler.step === 'written') yield answerRequests(model, state, acting)
  else if (handler.step === 'publish') yield publish(model, state, acting)
}

function* topicBatches(model: Model, state: State, { index, handler, who }: Acting): Generator<Step> {
  const { log, next, filter, seen } = handler
  for (let size = 1; size <= model.configuration.batch && next + size <= at(state.logs, log).length; size += 1) {
    const kinds = at(state.logs, log)
      .slice(next, next + size)
      .map(([kind]) => kind)
    if (!mayShareBatch(model, kinds)) break
    const { rows, conflicts, corrections, misrouted } = detectIn(model, state, { log, filter, reconciling: false, seen }, [next, next + size - 1])
    const batch = { first: next, through: next + size - 1, rows, conflicts, corrections, notes: misrouted, step: misrouted.length > 0 ? 'forward' : 'write 0' }
    const label = `${who} reads [${next}..${next + size - 1}]: ${rows.length} new, ${corrections.length} corrections, ${conflicts.length} rejected, ${misrouted.length} misrouted`
    yield { label, state: advance(model, withHandler(state, index, batch), index) }
  }
}

/** A record that changes a window is a batch of its own: it sees only what is stored. */
function mayShareBatch({ rules }: Model, kinds: readonly number[]): boolean {
  return !rules.windowAlone || kinds.length === 1 || !kinds.some((kind) => isOfWindow(eventKind(kind)))
}

/** One or two requests that wait share a batch, in any order. */
function* httpBatches(model: Model, state: State, { index, handler, who }: Acting): Generator<Step> {
  const requests = model.configuration.requests ?? []
  const waiting = requests.map((_, number) => number).filter((number) => ((state.answered >> number) & 1) === 0)
  for (const one of waiting)
    for (const other of waiting) {
      const group = one === other ? [one] : [one, other]
      const kinds = group.flatMap((number) => [...at(requests, number)])
      if (kinds.length > model.configuration.batch || !mayShareBatch(model, kinds)) continue
      const { log, next, filter } = handler
      const records = kinds.map((kind, offset) => [next + offset, kind] as const)
      const { rows, conflicts, corrections } = detect(records, {
        seen: state,
        log,
        filter,
        rules: model.rules,
        reconciling: false,
        anywhere: hasSources(model),
      })
      const step = rows.length + corrections.length + conflicts.length > 0 ? 'write 0' : 'written'
      const batch = { first: next, through: next + kinds.length - 1, rows, conflicts, corrections, notes: group, step }
      yield {
        label: `${who} batches the requests ${group}: ${rows.length} new, ${corrections.length} corrections, ${conflicts.length} rejected`,
        state: advance(model, withHandler(state, index, batch), index),
      }
    }
}

function answerRequests({ rules }: Model, state: State, { index, handler, who }: Acting): Step {
  const { rows, conflicts, corrections, notes, filter, next, through } = handler
  const answered = notes.reduce((mask, number) => mask | (1 << number), state.answered)
  const wrote = rows.length + corrections.length + conflicts.length > 0
  const idle = { ...NOTHING, step: 'idle', next: wrote ? through + 1 : next, filter: filter | identitiesOfBatch(rules, handler) }
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
