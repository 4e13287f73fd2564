import type { Model, Step } from './model.ts'
import { at, type Billed, type Derived, kindOf, type Left, rollupKey, type State, type Totals } from './state.ts'
import { fold, readTotals, total } from './totals.ts'

const MONTH = 0

/** What is computed from the totals: materialized days and statements. A kill between two of these steps leaves nothing behind. */
export function* derivedSteps(model: Model, state: State): Generator<Step> {
  yield* refreshSteps(model, state)
  yield* closingSteps(model, state)
}

const withDerived = (state: State, changed: Partial<Derived>): State => ({ ...state, derived: { ...state.derived, ...changed } })
const spend = (state: State, what: keyof Left): State => ({ ...state, left: { ...state.left, [what]: state.left[what] - 1 } })

/** A refresh notes the number of changes, and then materializes the day at that number. */
function* refreshSteps(model: Model, state: State): Generator<Step> {
  const { rules } = model
  if (model.configuration.shards === true) return yield* refreshByShard(model, state)
  const { refreshing, day } = state.derived
  const changes = total(state.derived.changes)
  const totals = readTotals(state, MONTH, rules)
  if (refreshing === null) {
    if (state.left.refreshes === 0) return
    const read = rules.numberBeforeRefresh ? { changes } : { totals }
    yield { label: `a refresh reads ${JSON.stringify(read)}`, state: spend(withDerived(state, { refreshing: read }), 'refreshes') }
  } else if ('changes' in refreshing || 'totals' in refreshing) {
    const [number, ...computed] = 'changes' in refreshing ? [refreshing.changes, ...totals] : [changes, ...refreshing.totals]
    const isNewer = number >= day[0]
    const materialized = withDerived(state, { refreshing: null, ...(isNewer && { day: [number, ...computed] }) })
    yield { label: `the refresh materializes the day as ${computed} at ${number} changes`, state: materialized }
  }
}

/**
 * The same when each log is on a server of its own. They are read one after another, and the coordinator may stop between two of them: then
 * nothing is stored, and the next refresh begins again.
 */
function* refreshByShard({ rules }: Model, state: State): Generator<Step> {
  const { refreshing, day, changes } = state.derived
  const shards = rules.everyShard ? changes.length : 1
  if (refreshing === null) {
    if (state.left.refreshes > 0)
      yield { label: 'a refresh begins', state: spend(withDerived(state, { refreshing: { changesOf: [], totalsOf: [] } }), 'refreshes') }
    return
  }
  if (!('changesOf' in refreshing)) return
  const { changesOf, totalsOf } = refreshing
  yield { label: 'the coordinator stops', state: withDerived(state, { refreshing: null }) }
  const countsFirst = rules.numberBeforeRefresh ? changesOf.length < changes.length : totalsOf.length === shards && changesOf.length < changes.length
  if (countsFirst) {
    const [shard, number] = [changesOf.length, at(changes, changesOf.length)]
    yield {
      label: `the refresh reads ${number} changes of shard ${shard}`,
      state: withDerived(state, { refreshing: { changesOf: [...changesOf, number], totalsOf } }),
    }
  } else if (totalsOf.length < shards) {
    const shard = totalsOf.length
    const totals = totalsOfShard(state, shard, rules)
    yield {
      label: `the refresh reads the totals ${totals} of shard ${shard}`,
      state: withDerived(state, { refreshing: { changesOf, totalsOf: [...totalsOf, totals] } }),
    }
  } else {
    const number = total(changesOf)
    const computed: Totals = [total(totalsOf.map(([sum]) => sum)), total(totalsOf.map(([, count]) => count)), Math.max(...totalsOf.map(([, , max]) => max))]
    const materialized = { refreshing: null, ...(number >= day[0] && { day: [number, ...computed] as const }) }
    yield { label: `the refresh materializes the day as ${computed} at ${number} changes`, state: withDerived(state, materialized) }
  }
}

function totalsOfShard(state: State, log: number, rules: Rules): Totals {
  const alone = (each: number) => (each === log ? at(state.raw, each) : [])
  const [sum, count, max] = at(state.rollup, rollupKey(log, MONTH))
  return rules.foldAllKinds ? fold({ raw: state.raw.map((_, each) => alone(each)), corrections: [] }, MONTH, rules) : [sum, count, max]
}

/**
 * The first closing bills the month, a later one its adjustment:
 * 1. Read the number of changes, then raw. Nothing to do if both numbers are the billed ones.
 * 2. Read the corrections. They may be newer than what was read of raw.
 * 3. Write the header: it is the commit.
 */
function* closingSteps({ rules }: Model, state: State): Generator<Step> {
  const { closing, billed } = state.derived
  const changes = total(state.derived.changes)
  if (closing === null) {
    if (state.left.closings > 0 && isUnbilled(state, rules))
      yield { label: 'a closing reads raw', state: spend(withDerived(state, { closing: { changes, raw: state.raw } }), 'closings') }
  } else if ('raw' in closing) {
    const recounted = recountOf({ raw: closing.raw, corrections: state.corrections }, closing.changes, rules)
    yield { label: `the closing reads the corrections, and recounts ${recounted}`, state: withDerived(state, { closing: { recounted } }) }
  } else {
    const [records, noted, ...totals] = closing.recounted
    const header: Billed = [records, rules.numberBeforeRecount ? noted : changes, ...totals]
    yield { label: `the closing bills ${totals}, before ${billed.slice(2)}`, state: withDerived(state, { closing: null, billed: header }) }
  }
}

type Rules = Model['rules']

function recountOf(read: Pick<State, 'raw' | 'corrections'>, changes: number, rules: Rules): Billed {
  const totals = fold(read, MONTH, rules)
  const ofMonth = read.raw.flat().filter((row) => kindOf(row).month === MONTH)
  const rows = ofMonth.length + ofMonth.filter((row) => kindOf(row).heldBy !== undefined).length
  const corrections = read.corrections.flat().filter(([row]) => kindOf(row).month === MONTH).length
  return [rules.billRecords ? rows + corrections : totals[1], changes, ...totals]
}

/** Whether a closing recounts the month. The number of records is read from the rollup, because that is cheap. */
export function isUnbilled(state: State, rules: Rules): boolean {
  const { billed } = state.derived
  const changes = total(state.derived.changes)
  const sums = state.raw.map((_, log) => at(state.rollup, rollupKey(log, MONTH)))
  const now = total(sums.map(([, count, , records]) => (rules.billRecords ? records : count)))
  return changes !== billed[1] && now !== billed[0]
}
