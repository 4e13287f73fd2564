import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Closers } from '../service/closers.ts'
import type { BaselineResult, BaselineRound } from './baseline-inserts-main.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

export interface BaselineInserts {
  /** Inserts rows of the same events into the same tables, one insert after another. */
  run(round: BaselineRound): Promise<BaselineResult>
}

/** Starts the baseline: a process that inserts into the same tables with the same engine and settings, in its own directory, without Meterline. */
export async function startBaselineInserts(closers: Closers): Promise<BaselineInserts> {
  const child = fork(MAIN, [makeTemporaryDirectory(closers)])
  const exited = once(child, 'exit')
  const failed = exited.then(([code]) => Promise.reject(new Error(`The process of the baseline inserts ended with code ${code}.`)))
  failed.catch(() => {})
  closers.add(async () => {
    if (child.connected) child.disconnect()
    await exited
  })
  await Promise.race([once(child, 'message'), failed])
  return {
    run: async (round) => {
      child.send(round)
      const [result] = await Promise.race([once(child, 'message'), failed])
      return result as BaselineResult
    },
  }
}

const MAIN = fileURLToPath(new URL('./baseline-inserts-main.ts', import.meta.url))
