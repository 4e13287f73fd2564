import { isUnbilled } from './derived-steps.ts'
import { type Meaning, meaningOf, recordsOf, storedRecords } from './meaning.ts'
import { countsIn, hasSources, isHttp, type Model, recordsChanges } from './model.ts'
import { at, eventKind, isOfWindow, KINDS, kindIndexOf, kindOf, type LogRecord, offsetOf, owns, rollupKey, type State, type Totals } from './state.ts'
import { areSwitchesOver } from './switch-steps.ts'
import { readTotals, recount, total } from './totals.ts'

/** What must hold in every state; undefined if it does. Most of it is required only when all is quiet. */
export function violationOf(model: Model, state: State, label: string): string | undefined {
  const uncovered = model.configuration.watermarks === true && label.includes('publishes the watermark') ? uncoveredByWatermark(model, state) : undefined
  if (uncovered !== undefined) return uncovered
  if (state.handlers.some((handler) => handler.step === 'stopped' && owns(state, handler))) return 'an owner stops, because the rollup is ahead of raw'
  if (hasSources(model)) {
    const twice = countedTwice(state)
    if (twice !== undefined) return twice
  }
  if (!isQuiet(model, state)) return undefined
  for (const log of state.logs.keys()) {
    const wrong = wrongRollup(state, log) ?? (isHttp(model) ? wrongAnswers(model, state, log) : wrongLog(model, state, log))
    if (wrong !== undefined) return wrong
  }
  return wrongTotals(model, state) ?? (hasSources(model) || isHttp(model) ? undefined : lostForwarded(state))
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
    const [found, expected] = [at(state.rollup, rollupKey(log, month)), recount(state, log, month)]
    if (found.join() !== expected.join()) return `the rollup of log ${log}, month ${month} is (sum, count, max, records) ${found}, the recount is ${expected}`
  }
  return undefined
}

/** What is stored of a topic is a pure function of the log. */
function wrongLog(model: Model, state: State, log: number): string | undefined {
  const { firsts, corrections, rejected } = meaningOfLog(model, state, log)
  if (hasSources(model)) {
    if (!isInForce(model, state, log)) return undefined
    const stored = [...state.raw.flat(), ...state.corrections.flat().map(([row]) => row)].map((row) => kindOf(row).identity)
    const isLost = [...firsts, ...corrections].some((row) => !stored.includes(kindOf(row).identity))
    return isLost ? `an event of log ${log}, which is in force, is lost` : undefined
  }
  if (at(state.raw, log).join() !== firsts.join())
    return `raw of log ${log} has the offsets ${at(state.raw, log).map(offsetOf)}, the first ones are ${firsts.map(offsetOf)}`
  const stored = [...new Set(at(state.corrections, log).map(([row]) => row))]
  if (stored.join() !== corrections.join())
    return `the corrections of log ${log} have the offsets ${stored.map(offsetOf)}, those that count are ${corrections.map(offsetOf)}`
  return at(state.rejected, log).join() === rejected.join()
    ? undefined
    : `the rejected records of log ${log} have the offsets ${at(state.rejected, log).map(offsetOf)}, not ${rejected.map(offsetOf)}`
}

function meaningOfLog(model: Model, state: State, log: number): Meaning {
  return meaningOf(recordsOf(state, log).filter((row) => countsIn(model, kindOf(row), log)))
}

/** Readers, the materialized day and the statements have the totals of the effective values. */
function wrongTotals(model: Model, state: State): string | undefined {
  for (const month of [0, 1] as const) {
    const expected = expectedTotals(model, state, month)
    const found = readTotals(state, month, model.rules)
    if (found.join() !== expected.join()) return `readers get (sum, count, max) ${found} for month ${month}, the effective values are ${expected}`
  }
  if (!recordsChanges(model)) return undefined
  const expected = expectedTotals(model, state, 0)
  const { day, billed, closing } = state.derived
  const changes = total(state.derived.changes)
  const [atChanges, ...materialized] = day
  if (atChanges === changes && materialized.join() !== expected.join()) return `the materialized day is ${materialized}, the effective values are ${expected}`
  const [, atBilled, ...totals] = billed
  const isBilled = closing === null && atBilled !== -1 && !isUnbilled(state, model.rules)
  return isBilled && totals.join() !== expected.join() ? `the statements bill ${totals} and no adjustment, the effective values are ${expected}` : undefined
}

function expectedTotals(model: Model, state: State, month: 0 | 1): Totals {
  if (isHttp(model) || hasSources(model)) return meaningOf(storedRecords(state)).totals[month]
  const ofLogs = state.logs.map((_, log) => meaningOfLog(model, state, log).totals[month])
  return [total(ofLogs.map(([sum]) => sum)), total(ofLogs.map(([, count]) => count)), Math.max(...ofLogs.map(([, , max]) => max))]
}

function wrongAnswers(model: Model, state: State, log: number): string | undefined {
  const rejected = at(state.rejected, log)
  const stored = [...at(state.raw, log), ...new Set(at(state.corrections, log).map(([row]) => row))]
  const storedOf = (identity: number) => stored.find((row) => kindOf(row).identity === identity)
  if (new Set(stored.map((row) => kindOf(row).identity)).size !== stored.length) return 'an identity is counted twice'
  if (new Set(rejected.map(offsetOf)).size !== rejected.length) return 'two rejected events share one offset: one is lost'
  const isLate = (row: number) => isOfWindow(kindOf(row)) || kindOf(row).heldBy !== undefined
  for (const conflict of rejected.filter((row) => kindOf(row).corrects === undefined && !isLate(row))) {
    const first = storedOf(kindOf(conflict).identity)
    const isCopy =
      first !== undefined &&
      kindOf(first).value === kindOf(conflict).value &&
      kindOf(first).corrects === undefined &&
      kindOf(first).heldBy === kindOf(conflict).heldBy
    if (first === undefined || isCopy) return 'an event is kept as a conflict with nothing that is stored'
  }
  for (const [number, kinds] of (model.configuration.requests ?? []).entries()) {
    if (((state.answered >> number) & 1) === 0) continue
    for (const index of kinds) {
      const isKept = rejected.some((row) => kindIndexOf(row) === index)
      const first = storedOf(eventKind(index).identity)
      if (first === undefined && !isKept) return 'an acknowledged record is lost'
      if (first !== undefined && kindOf(first).value !== eventKind(index).value && !isKept) return 'an acknowledged conflict is not kept'
    }
  }
  return undefined
}

function lostForwarded(state: State): string | undefined {
  for (const [kind] of state.logs.flat()) {
    const { identity, home } = at(KINDS, kind)
    const kept = [...at(state.raw, home), ...at(state.corrections, home).map(([row]) => row), ...at(state.rejected, home)]
    if (!kept.some((row) => kindOf(row).identity === identity)) return 'an event of a wrong partition is lost'
  }
  return undefined
}

/** All that a watermark covers is stored, and the rollup has what counts of it. */
function uncoveredByWatermark({ configuration: { script = [] } }: Model, state: State): string | undefined {
  let time = Math.min(...state.watermarks.map(([each]) => each))
  for (const [, to, offset, appended] of state.forwarded) if (at(state.watermarks, to)[1] < offset) time = Math.min(time, appended - 1)
  const counted = new Map<number, Set<number>>()
  for (const [, index] of script.slice(0, Math.min(time, state.time))) {
    const { identity, home } = eventKind(index)
    const isSame = (row: number) => kindOf(row).identity === identity
    const stored = [...at(state.raw, home), ...at(state.corrections, home).map(([row]) => row)].find(isSame)
    if (stored === undefined && at(state.rejected, home).some(isSame)) continue
    if (stored === undefined) return `the watermark ${time} covers an event that is not stored`
    const key = rollupKey(home, kindOf(stored).month)
    counted.set(key, new Set([...(counted.get(key) ?? []), stored]))
  }
  for (const [key, records] of counted) if (at(state.rollup, key)[3] < records.size) return `the watermark ${time} covers an event that is not in the rollup`
  return undefined
}
