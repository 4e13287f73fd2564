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
  let ready = false
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream as NodeJS.ReadableStream }).on('line', (line) => {
      system.secondSourceLog.write(`${line}\n`)
      if (line.includes('"Meterline is ready"')) ready = true
    })
  }
  const exited = once(child, 'exit')
  await Promise.race([exited, afterMs(lastsMs)])
  const refused = child.exitCode === 1
  child.kill('SIGKILL')
  await exited
  if (ready) return 'accepted'
  return refused ? 'refused' : 'not started in time'
}
