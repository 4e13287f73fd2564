import { afterMs } from './clock.ts'
import type { Load } from './load.ts'
import { type Action, describeAction } from './plan.ts'
import { type SecondSourceOutcome, startSecondSource } from './second-source.ts'
import type { SupervisedProcess } from './supervised-process.ts'
import { INGESTS, type System } from './system.ts'

/** What the plan acts on, and what it found. */
export interface Stage {
  readonly system: System
  readonly load: Load
  readonly secondSources: Promise<SecondSourceOutcome>[]
}

/** Runs the actions one after another. What an action has ended is restarted automatically while the next action runs. */
export async function runPlan(plan: readonly Action[], stage: Stage, status: () => string): Promise<Action[]> {
  const startedMs = Date.now()
  const done: Action[] = []
  for (const action of plan) {
    await afterMs(action.afterMs)
    console.log(`  ${((Date.now() - startedMs) / 1000).toFixed(1)} s: ${describeAction(action)}; ${status()}`)
    await runAction(action, stage)
    done.push(action)
  }
  return done
}

async function runAction({ kind, slot, lastsMs, aheadMs }: Action, { system, load, secondSources }: Stage): Promise<void> {
  const ingest = processAt(system.ingests.slice(0, INGESTS), slot)
  switch (kind) {
    case 'kill_ingest':
      return ingest.kill(lastsMs)
    case 'kill_api':
      return processAt(system.apis, slot).kill(lastsMs)
    case 'kill_aggregate':
      return processAt(system.aggregates, slot).kill(lastsMs)
    case 'kill_broker':
      return system.kafka.restart()
    case 'kill_clickhouse':
      return system.store.killAll(lastsMs)
    case 'kill_first_shard':
      return system.store.kill([1], lastsMs)
    case 'kill_other_shard':
      return system.store.killOther(slot, lastsMs)
    case 'freeze_ingest':
      return ingest.freeze(lastsMs)
    case 'join_ingest':
      return joinAndLeave(system.visitor, lastsMs)
    case 'leave_ingest':
      return leaveAndRejoin(ingest, lastsMs)
    case 'hang_transaction':
      return load.hangTransaction(lastsMs)
    case 'end_transaction':
      return load.endTransaction(lastsMs, slot % 2 === 0 ? 'commit' : 'abort')
    case 'step_clock':
      return stepClock(slot % 2 === 0 ? ingest : processAt(system.apis, slot), { aheadMs, lastsMs })
    case 'second_source':
      secondSources.push(startSecondSource(system, slot % 2 === 0 ? 'another topic' : 'no topic', lastsMs))
      return load.sendToBothTopics()
    case 'flood':
      return load.flood(lastsMs)
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

async function stepClock(process: SupervisedProcess, { aheadMs, lastsMs }: { aheadMs: number; lastsMs: number }): Promise<void> {
  process.setClock(aheadMs)
  void afterMs(lastsMs).then(() => process.setClock(0))
}

function processAt(processes: readonly SupervisedProcess[], slot: number): SupervisedProcess {
  const found = processes[slot % processes.length]
  if (found === undefined) throw new Error('There is no process.')
  return found
}
