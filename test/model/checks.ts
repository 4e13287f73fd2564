import { recount } from './detect.ts'
import { hasSources, isHttp, type Model } from './model.ts'
import { at, eventKind, KINDS, kindOf, type LogRecord, offsetOf, owns, rollupKey, type State, type Stored, storedAs } from './state.ts'
import { areSwitchesOver } from './switch-steps.ts'

/** What must hold in every state; undefined if it does. Most of it is required only when all is quiet. */
export function violationOf(model: Model, state: State, label: string): string | undefined {
  const uncovered = model.configuration.watermarks === true && label.includes('publishes the watermark') ? uncoveredByWatermark(model, state) : undefined
  if (uncovered !== undefined) return uncovered
  if (hasSources(model)) {
    const twice = countedTwice(state)
    if (twice !== undefined) return twice
  }
  if (!isQuiet(model, state)) return undefined
  for (const log of state.logs.keys()) {
    const wrong = wrongRollup(state, log) ?? (isHttp(model) ? wrongAnswers(model, state, log) : wrongLog(model, state, log))
    if (wrong !== undefined) return wrong
  }
  return hasSources(model) || isHttp(model) ? undefined : lostForwarded(state)
}

/** Every log in force has an owner that waits at its end, and nothing is running. */
export function isQuiet(model: Model, state: State): boolean {
  const { script = [] } = model.configuration
  const isDone = isHttp(model) || state.time >= script.length
  if (!isDone || state.requests.some(({ running }) => running)) return false
  if (hasSources(model) && (!areSwitchesOver(state) || state.source[3] === 0)) return false
  const isSettled = (records: readonly LogRecord[], log: number) =>
    !isInForce(model, state, log) ||
    state.handlers.some(
      (handler) => handler.log === log && handler.step === 'idle' && owns(state, handler) && (isHttp(model) || handler.next === records.length),
    )
  return state.logs.every(isSettled)
}

const isInForce = (model: Model, state: State, log: number) => !hasSources(model) || state.source[2] === log

/** At any moment: an identity that two sources counted is billed twice, also after the rollup was reconciled. */
function countedTwice(state: State): string | undefined {
  const identities = state.raw.flat().map((row) => kindOf(row).identity)
  return new Set(identities).size === identities.length ? undefined : 'an identity is counted twice in raw'
}

function wrongRollup(state: State, log: number): string | undefined {
  for (const month of [0, 1]) {
    const [found, expected] = [at(state.rollup, rollupKey(log, month)), recount(at(state.raw, log), month)]
    if (found.join() !== expected.join()) return `the rollup of log ${log}, month ${month} is (sum, count, max) ${found}, the recount is ${expected}`
  }
  return undefined
}

/** What is stored of a topic is a pure function of the log. */
function wrongLog(model: Model, state: State, log: number): string | undefined {
  const firsts: Stored[] = []
  const conflicts: Stored[] = []
  const values = new Map<number, number>()
  for (const [offset, [index]] of at(state.logs, log).entries()) {
    const { identity, value, home } = eventKind(index)
    if (hasSources(model) ? !isInForce(model, state, log) : home !== log) continue
    const before = values.get(identity)
    if (before === undefined) firsts.push(storedAs(offset, index))
    else if (before !== value) conflicts.push(storedAs(offset, index))
    values.set(identity, before ?? value)
  }
  if (hasSources(model)) {
    const stored = state.raw.flat().map((row) => kindOf(row).identity)
    return [...values.keys()].every((identity) => stored.includes(identity)) ? undefined : `an event of log ${log}, which is in force, is lost`
  }
  if (at(state.raw, log).join() !== firsts.join())
    return `raw of log ${log} has the offsets ${at(state.raw, log).map(offsetOf)}, the first ones are ${firsts.map(offsetOf)}`
  const rejected = [...conflicts].sort((one, other) => one - other)
  return at(state.rejected, log).join() === rejected.join() ? undefined : `the rejected events of log ${log} are not its conflicts`
}

function wrongAnswers(model: Model, state: State, log: number): string | undefined {
  const raw = at(state.raw, log)
  const rejected = at(state.rejected, log)
  const storedOf = (identity: number) => raw.find((row) => kindOf(row).identity === identity)
  if (new Set(raw.map((row) => kindOf(row).identity)).size !== raw.length) return 'an identity is twice in raw'
  if (new Set(rejected.map(offsetOf)).size !== rejected.length) return 'two rejected events share one offset: one is lost'
  for (const conflict of rejected) {
    const stored = storedOf(kindOf(conflict).identity)
    if (stored === undefined || kindOf(stored).value === kindOf(conflict).value) return 'an event is kept as a conflict with nothing that is stored'
  }
  for (const [number, kinds] of (model.configuration.requests ?? []).entries()) {
    if (((state.answered >> number) & 1) === 0) continue
    for (const index of kinds) {
      const stored = storedOf(eventKind(index).identity)
      if (stored === undefined) return 'an acknowledged event is lost'
      if (kindOf(stored).value !== eventKind(index).value && !rejected.some((row) => (row & 15) === index)) return 'an acknowledged conflict is not kept'
    }
  }
  return undefined
}

function lostForwarded(state: State): string | undefined {
  for (const [kind] of state.logs.flat()) {
    const { identity, home } = at(KINDS, kind)
    if (!at(state.raw, home).some((row) => kindOf(row).identity === identity)) return 'an event of a wrong partition is lost'
  }
  return undefined
}

/** All that a watermark covers is in raw and in the rollup. */
function uncoveredByWatermark({ configuration: { script = [] } }: Model, state: State): string | undefined {
  let time = Math.min(...state.watermarks.map(([each]) => each))
  for (const [, to, offset, appended] of state.forwarded) if (at(state.watermarks, to)[1] < offset) time = Math.min(time, appended - 1)
  for (const [, index] of script.slice(0, Math.min(time, state.time))) {
    const { identity, home } = eventKind(index)
    const stored = at(state.raw, home).find((row) => kindOf(row).identity === identity)
    if (stored === undefined) return `the watermark ${time} covers an event that is not in raw`
    if (at(state.rollup, rollupKey(home, kindOf(stored).month))[1] < 1) return `the watermark ${time} covers an event that is not in the rollup`
  }
  return undefined
}
