import { isQuiet, violationOf } from './checks.ts'
import { type Model, startOf } from './model.ts'
import type { State } from './state.ts'
import { successors } from './successors.ts'

export interface Searched {
  /** States of a search, or walks. */
  readonly states: number
  /** In how many of them all was quiet: otherwise little was checked. */
  readonly quiet: number
  readonly violation: string | undefined
  /** What happened, in order, up to the violation. */
  readonly trace: readonly string[]
  /** The bound on the number of states was reached. */
  readonly isCut: boolean
}

/** Searches every interleaving within the bounds of a configuration, breadth first, so that a trace is as short as possible. */
export function search(model: Model, { statesMax = 3_000_000 } = {}): Searched {
  const seen = new SeenStates()
  const first = startOf(model)
  seen.add(first)
  const parents: number[] = [-1]
  const labels: string[] = ['']
  let level: (readonly [State, number])[] = [[first, 0]]
  let quiet = 0
  while (level.length > 0) {
    const next: (readonly [State, number])[] = []
    for (const [state, parent] of level)
      for (const { label, state: reached } of successors(model, state)) {
        if (!seen.add(reached) && model.configuration.watermarks !== true) continue
        const violation = violationOf(model, reached, label)
        if (violation !== undefined) return { states: labels.length, quiet, violation, trace: [...traceOf(parents, labels, parent), label], isCut: false }
        if (!seen.isNew) continue
        if (isQuiet(model, reached)) quiet += 1
        next.push([reached, labels.length])
        parents.push(parent)
        labels.push(label)
        if (labels.length >= statesMax) return { states: labels.length, quiet, violation: undefined, trace: [], isCut: true }
      }
    level = next
  }
  return { states: labels.length, quiet, violation: undefined, trace: [], isCut: false }
}

/** Walks at random, for bounds that are too large to search. */
export function walk(model: Model, { walks, random }: { walks: number; random: () => number }): Searched {
  let quiet = 0
  for (let number = 0; number < walks; number += 1) {
    const { violation, trace, wasQuiet } = walkOnce(model, random)
    if (wasQuiet) quiet += 1
    if (violation !== undefined) return { states: number + 1, quiet, violation, trace, isCut: false }
  }
  return { states: walks, quiet, violation: undefined, trace: [], isCut: false }
}

const STEPS_MAX = 600

function walkOnce(model: Model, random: () => number) {
  let state = startOf(model)
  let sleeper = -1
  let wasQuiet = false
  const trace: string[] = []
  for (let step = 0; step < STEPS_MAX; step += 1) {
    // Now and then another handler, or none, sleeps for a long time.
    if (random() < 0.02) sleeper = Math.floor(random() * (state.handlers.length + 1)) - 1
    const all = successors(model, state)
    if (all.length === 0) break
    const rare = (label: string) =>
      (label.startsWith('process ') && random() < 0.9) || (/times out|aborted|rewound|repeats|is started/.test(label) && random() < 0.8)
    const likely = all.filter(({ label }) => !(sleeper >= 0 && label.startsWith(`handler ${sleeper} `)) && !rare(label))
    const choices = likely.length > 0 ? likely : all
    const chosen = choices[Math.floor(random() * choices.length)]
    if (chosen === undefined) break
    trace.push(chosen.label)
    state = chosen.state
    const violation = violationOf(model, state, chosen.label)
    wasQuiet ||= isQuiet(model, state)
    if (violation !== undefined) return { violation, trace, wasQuiet }
  }
  return { violation: undefined, trace, wasQuiet }
}

function traceOf(parents: readonly number[], labels: readonly string[], last: number): string[] {
  const trace: string[] = []
  for (let index = last; index > 0; index = parents[index] ?? -1) trace.push(labels[index] ?? '')
  return trace.reverse()
}

/** The states that were reached, by 53 bits of a hash of their text. */
class SeenStates {
  readonly #hashes = new Set<number>()
  isNew = false

  add(state: State): boolean {
    const text = JSON.stringify(state)
    let [one, other] = [0x811c9dc5, 0x1234567]
    for (let index = 0; index < text.length; index += 1) {
      const code = text.charCodeAt(index)
      one = Math.imul(one ^ code, 0x01000193)
      other = Math.imul(other + code, 0x85ebca6b)
      other ^= other >>> 13
    }
    const before = this.#hashes.size
    this.#hashes.add((one >>> 0) * 2 ** 21 + (other >>> 11))
    this.isNew = this.#hashes.size > before
    return this.isNew
  }
}
