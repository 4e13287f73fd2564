import { afterMs } from './clock.ts'
import { type Action, describeAction } from './plan.ts'
import type { SupervisedProcess } from './supervised-process.ts'
import { INGESTS, type System } from './system.ts'

/** One after another; what was killed comes back by itself while the next is on its way. */
export async function carryOut(plan: readonly Action[], system: System, standing: () => string): Promise<Action[]> {
  const startedMs = Date.now()
  const done: Action[] = []
  for (const action of plan) {
    await afterMs(action.afterMs)
    console.log(`  ${((Date.now() - startedMs) / 1000).toFixed(1)} s: ${describeAction(action)}; ${standing()}`)
    await carryOutOne(action, system)
    done.push(action)
  }
  return done
}

async function carryOutOne(action: Action, system: System): Promise<void> {
  switch (action.kind) {
    case 'kill_ingest':
      return slotOf(system.ingests, action.slot).kill(action.downMs)
    case 'kill_api':
      return slotOf(system.apis, action.slot).kill(action.downMs)
    case 'kill_broker':
      return system.kafka.restart()
    case 'kill_clickhouse':
      return system.killClickHouse(action.downMs)
    case 'freeze_ingest':
      return slotOf(system.ingests, action.slot).freeze(action.frozenMs)
    case 'join_ingest':
      return visit(slotOf(system.ingests, INGESTS), action.stayMs)
    case 'leave_ingest':
      return leaveAndComeBack(slotOf(system.ingests, action.slot), action.downMs)
  }
}

async function visit(visitor: SupervisedProcess, stayMs: number): Promise<void> {
  visitor.start()
  void afterMs(stayMs).then(() => visitor.leave())
}

async function leaveAndComeBack(leaver: SupervisedProcess, downMs: number): Promise<void> {
  void leaver
    .leave()
    .then(() => afterMs(downMs))
    .then(() => leaver.start())
}

function slotOf(processes: readonly SupervisedProcess[], slot: number): SupervisedProcess {
  const each = processes[slot]
  if (each === undefined) throw new Error(`There is no process ${slot}.`)
  return each
}
