import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { Closers } from '../service/closers.ts'

/** Runs a file as a process of its own and returns the result that it sends. The process ends after sending it. */
export async function runForked<Task extends object, Result>(main: string, task: Task, closers: Closers): Promise<Result> {
  const child = fork(main, [JSON.stringify(task)])
  const exited = once(child, 'exit')
  closers.add(async () => {
    child.kill()
    await exited
  })
  const failed = exited.then(([code]) => Promise.reject(new Error(`${main} ended with code ${code}.`)))
  failed.catch(() => {})
  const [result] = await Promise.race([once(child, 'message'), failed])
  await exited
  return result as Result
}

/** The task for which this process was forked. */
export function forkedTask<Task extends object>(): Task {
  return JSON.parse(process.argv[2] ?? '{}') as Task
}

/** Sends the result to the parent; the process ends when it has nothing else open. */
export function sendResult(result: object): void {
  process.send?.(result, () => process.disconnect())
}
