import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { spawnMeterline } from '../support/engines/service-process.ts'
import { afterMs } from './clock.ts'
import type { System } from './system.ts'

/**
 * The outcome of starting a process that is configured with another source than the one that writes to the database. If it becomes
 * ready, the same event can arrive twice, from two sources that know nothing of each other.
 */
export type SecondSourceOutcome = 'refused' | 'accepted' | 'not started in time'

/** Starts it beside the others, with another topic or with none. It is killed after `lastsMs` if it has not ended by then. */
export async function startSecondSource(system: System, source: 'another topic' | 'no topic', lastsMs: number): Promise<SecondSourceOutcome> {
  const child =
    source === 'no topic' ? spawnMeterline(['start'], system.environmentWithoutTopic()) : spawnMeterline(['ingest'], system.environmentOfSecondTopic())
  system.endsWithRun(child)
  let url: string | undefined
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream as NodeJS.ReadableStream }).on('line', (line) => {
      system.secondSourceLog.write(`${line}\n`)
      url ??= /"url":"([^"]+)"/.exec(line)?.[1]
    })
  }
  const exited = once(child, 'exit')
  const ended = Promise.race([exited, afterMs(lastsMs)]).then(() => true)
  const seen = new Set<number>()
  // It starts and answers, but it may never say that it is ready.
  while (!(await Promise.race([ended, afterMs(ASK_EVERY_MS).then(() => false)]))) seen.add(await readyzOf(url))
  const refused = child.exitCode === 1
  child.kill('SIGKILL')
  await exited
  if (seen.has(200)) return 'accepted'
  return refused || seen.has(503) ? 'refused' : 'not started in time'
}

const ASK_EVERY_MS = 100

/** The status of /readyz; 0 while nothing answers. */
async function readyzOf(url: string | undefined): Promise<number> {
  if (url === undefined) return 0
  return fetch(`${url}/readyz`).then(
    ({ status }) => status,
    () => 0,
  )
}
