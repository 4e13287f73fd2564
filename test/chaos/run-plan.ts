import { afterMs } from './clock.ts'
import { type Action, describeAction } from './plan.ts'
import type { SupervisedProcess } from './supervised-process.ts'
import { INGESTS, type System } from './system.ts'

/** Runs the actions one after another. A killed process is restarted automatically while the next action runs. */
export async function runPlan(plan: readonly Action[], system: System, status: () => string): Promise<Action[]> {
  const startedMs = Date.now()
  const done: Action[] = []
  for (const action of plan) {
    await afterMs(action.afterMs)
    console.log(`  ${((Date.now() - startedMs) / 1000).toFixed(1)} s: ${describeAction(action)}; ${status()}`)
    await runAction(action, system)
    done.push(action)
  }
  return done
}

async function runAction(action: Action, system: System): Promise<void> {
  switch (action.kind) {
    case 'kill_ingest':
      return processAt(system.ingests, action.slot).kill(action.downMs)
    case 'kill_api':
      return processAt(system.apis, action.slot).kill(action.downMs)
    case 'kill_broker':
      return system.kafka.restart()
    case 'kill_clickhouse':
      return system.killClickHouse(action.downMs)
    case 'freeze_ingest':
      return processAt(system.ingests, action.slot).freeze(action.frozenMs)
    case 'join_ingest':
      return joinAndLeave(processAt(system.ingests, INGESTS), action.stayMs)
    case 'leave_ingest':
      return leaveAndRejoin(processAt(system.ingests, action.slot), action.downMs)
  }
}

async function joinAndLeave(visitor: SupervisedProcess, stayMs: number): Promise<void> {
  visitor.start()
  void afterMs(stayMs).then(() => visitor.leave())
}

async function leaveAndRejoin(leaver: SupervisedProcess, downMs: number): Promise<void> {
  void leaver
    .leave()
    .then(() => afterMs(downMs))
    .then(() => leaver.start())
}

function processAt(processes: readonly SupervisedProcess[], slot: number): SupervisedProcess {
  const found = processes[slot]
  if (found === undefined) throw new Error(`There is no process ${slot}.`)
  return found
}
