import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Closers } from '../service/closers.ts'
import type { UsageSeeded } from './seeded-usage-main.ts'

/** Fills the data directory before the service starts: one partner with projects, each with usage on every day. */
export async function seedUsage(dataDir: string, closers: Closers): Promise<UsageSeeded> {
  const child = fork(MAIN, [dataDir])
  const exited = once(child, 'exit')
  closers.add(async () => {
    child.kill()
    await exited
  })
  const failed = exited.then(([code]) => Promise.reject(new Error(`Seeding ended with code ${code}.`)))
  const [seeded] = await Promise.race([once(child, 'message'), failed])
  await exited
  return seeded as UsageSeeded
}

const MAIN = fileURLToPath(new URL('./seeded-usage-main.ts', import.meta.url))
