import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Closers } from '../service/closers.ts'
import type { BaselineRound, BaselineRoundDone } from './baseline-inserts-main.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

export interface BaselineInserts {
  /** Inserts rows of the same events into the same tables, one insert after another. */
  turn(turn: BaselineRound): Promise<BaselineRoundDone>
}

/** The yardstick: a process and a directory of its own with the same engine, tables and settings, and nothing in front. */
export async function startBaselineInserts(closers: Closers): Promise<BaselineInserts> {
  const child = fork(MAIN, [makeTemporaryDirectory(closers)])
  const exited = once(child, 'exit')
  const failed = exited.then(([code]) => Promise.reject(new Error(`The straight inserts ended with code ${code}.`)))
  failed.catch(() => {})
  closers.add(async () => {
    if (child.connected) child.disconnect()
    await exited
  })
  await Promise.race([once(child, 'message'), failed])
  return {
    turn: async (turn) => {
      child.send(turn)
      const [done] = await Promise.race([once(child, 'message'), failed])
      return done as BaselineRoundDone
    },
  }
}

const MAIN = fileURLToPath(new URL('./baseline-inserts-main.ts', import.meta.url))
