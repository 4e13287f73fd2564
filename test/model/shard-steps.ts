import type { Model, Step } from './model.ts'
import { at, type Backup, NOTHING, rollupKey, type State, withAt } from './state.ts'

/** The owner's name of an operator. */
const OPERATOR = 99

/**
 * A shard can be backed up once, and be restored later. Its server is off meanwhile: what runs there ends, what is on its way arrives
 * afterwards, and processes go on without knowing.
 */
export function* shardSteps({ rules }: Model, state: State): Generator<Step> {
  if (state.left.restores === 0) return
  if (state.backup === null) {
    for (const log of state.logs.keys()) yield { label: `shard ${log} is backed up`, state: { ...state, backup: backupOf(state, log) } }
    return
  }
  const { log, lease, position, raw, rejected, rollup, changes } = state.backup
  const changesBefore = at(state.derived.changes, log)
  // Later epochs than those of the backup are not known any more. An owner that still runs has another token, and is refused.
  const outranking = [lease[0] + 1, OPERATOR, lease[2] + 1] as const
  const restored: State = {
    ...state,
    leases: withAt(state.leases, log, rules.outrankAfterRestore ? outranking : lease),
    positions: withAt(state.positions, log, position),
    raw: withAt(state.raw, log, raw),
    rejected: withAt(state.rejected, log, rejected),
    rollup: state.rollup.map((sums, key) => (Math.floor(key / 2) === log ? at(rollup, key % 2) : sums)),
    derived: { ...state.derived, changes: withAt(state.derived.changes, log, rules.raiseChangesAfterRestore ? changesBefore + 1 : changes) },
    left: { ...state.left, restores: state.left.restores - 1 },
    requests: state.requests.filter((request) => request.log !== log || !request.running),
    handlers: state.handlers.map((handler, index) => (waitsForRunning(state, log, index) ? { ...handler, ...NOTHING, step: 'failed' } : handler)),
  }
  yield { label: `shard ${log} is restored from its backup`, state: restored }
}

function backupOf({ leases, positions, raw, rejected, rollup, derived }: State, log: number): Backup {
  return {
    log,
    lease: at(leases, log),
    position: at(positions, log),
    raw: at(raw, log),
    rejected: at(rejected, log),
    rollup: [at(rollup, rollupKey(log, 0)), at(rollup, rollupKey(log, 1))],
    changes: at(derived.changes, log),
  }
}

function waitsForRunning(state: State, log: number, index: number): boolean {
  return state.requests.some((request) => request.log === log && request.running && request.waiter === index)
}
