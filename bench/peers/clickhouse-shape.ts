import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Closers } from '../../service/closers.ts'
import { makeTemporaryDirectory } from '../temporary-directory.ts'
import type { ShapeMessage, ShapeTask } from './clickhouse-shape-main.ts'
import type { ClickHouseShape } from './clickhouse-shapes.ts'
import { batchesOf, type IngestPlan, killedBatchOf } from './ingest-plan.ts'
import type { ShapeResult } from './shape-result.ts'

/** Measures a shape in the embedded engine, in a directory of its own. */
export async function measureClickHouseShape({ name, what }: ClickHouseShape, plan: IngestPlan, closers: Closers): Promise<ShapeResult> {
  const task = { directory: makeTemporaryDirectory(closers), shape: name, plan }
  const killed = killedBatchOf(batchesOf(plan))
  const first = await runUntilStored({ ...task, ingest: { fromBatch: 0, lastBatch: killed } }, closers)
  first.child.kill('SIGKILL')
  await first.exited
  const second = await runUntilStored({ ...task, ingest: { fromBatch: killed, lastBatch: undefined } }, closers)
  await second.exited
  const asking = start(task, closers)
  const asked = await asking.next('asked')
  await asking.exited
  return {
    name,
    what,
    ingest: {
      seconds: first.seconds + second.openSeconds + second.seconds,
      restartSeconds: second.openSeconds,
      cpuSeconds: first.cpuSeconds + second.cpuSeconds,
    },
    questions: asked.questions,
    bytesPerEvent: asked.bytesOnDisk / plan.merged,
  }
}

async function runUntilStored(task: ShapeTask, closers: Closers) {
  const process = start(task, closers)
  const { openSeconds } = await process.next('ready')
  const { seconds, cpuSeconds } = await process.next('stored')
  return { ...process, openSeconds, seconds, cpuSeconds }
}

interface ShapeProcess {
  readonly child: ChildProcess
  readonly exited: Promise<unknown>
  next<Status extends ShapeMessage['status']>(status: Status): Promise<Extract<ShapeMessage, { status: Status }>>
}

function start(task: ShapeTask, closers: Closers): ShapeProcess {
  const child = fork(MAIN, [JSON.stringify(task)])
  const exited = once(child, 'exit')
  closers.add(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await exited
  })
  const failed = exited.then(([code]) => Promise.reject(new Error(`The process of the shape ${task.shape} ended with code ${code}.`)))
  failed.catch(() => {})
  const messages: ShapeMessage[] = []
  let wake = () => {}
  child.on('message', (message: ShapeMessage) => {
    messages.push(message)
    wake()
  })
  const take = async (): Promise<ShapeMessage> => {
    for (;;) {
      const message = messages.shift()
      if (message !== undefined) return message
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  return {
    child,
    exited,
    next: async (status) => {
      const message = await Promise.race([take(), failed])
      if (message.status !== status) throw new Error(`The process of the shape ${task.shape} sent ${message.status} instead of ${status}.`)
      return message as Extract<ShapeMessage, { status: typeof status }>
    },
  }
}

const MAIN = fileURLToPath(new URL('./clickhouse-shape-main.ts', import.meta.url))
