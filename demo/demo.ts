import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { CliError, printError } from '../cli/output.ts'
import { Closers } from '../service/closers.ts'
import { untilSignal } from '../service/signals.ts'
import type { Service } from '../service/start-service.ts'
import { DemoClient } from './demo-client.ts'
import { startDemoService } from './demo-service.ts'
import { emitStory } from './emit-story.ts'
import { grouped } from './grouped.ts'
import { readReport } from './report.ts'
import { PARTNER_NAME, setUp } from './set-up.ts'
import { outcomeLines } from './tables.ts'

/** A month of a partnership's life in a minute: everything goes through the public HTTP API of a service of its own. */
async function demo({ events, exit }: DemoOptions): Promise<void> {
  const closers = new Closers()
  let terminalGone = false
  process.once('SIGHUP', () => {
    terminalGone = true
  })
  const stopped = untilStopped()
  try {
    say('Meterline demo: starting a service of its own, with the engine inside this process')
    const service = await startDemoService(process.env, closers)
    const ending = new AbortController()
    const told = tell(service, events, ending.signal)
    // The story ends before its service does: nothing is sent to a service that closes.
    closers.add(async () => {
      ending.abort()
      await told.catch(() => {})
    })
    if ((await Promise.race([told, stopped, service.failed])) !== 'told') return
    if (exit) return say('', `Without --exit it keeps serving: then these curls answer, and ${service.url}/docs has the API`)
    say('', `Serving at ${service.url} until Ctrl-C. Read and try the API at ${service.url}/docs`)
    await Promise.race([stopped, service.failed])
  } finally {
    await closers.closeAll()
    // Without its terminal a process with the engine in it never gets through its own exit. All is closed: it can be killed.
    if (terminalGone) process.kill(process.pid, 'SIGKILL')
  }
  say('', 'Stopped; its directory is deleted.')
}

interface DemoOptions {
  readonly events: number
  readonly exit: boolean
}

/** A signal, a closed terminal, or a reader of the output that has left (`npm run demo | head`). */
function untilStopped(): Promise<unknown> {
  const readerLeft = new Promise((resolve) => process.stdout.on('error', resolve))
  return Promise.race([untilSignal(), once(process, 'SIGHUP'), readerLeft])
}

async function tell(service: Service, events: number, signal: AbortSignal): Promise<'told'> {
  const client = new DemoClient(service, signal)
  const cast = await setUp(client)
  say(`  at ${service.url}: partner ${PARTNER_NAME}, ${cast.projects.length} projects, one ingest key`)

  const nowMs = Date.now()
  const now = new Date(nowMs)
  const firstDayMs = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1)
  say(`  emitting the past month and the current days, about ${grouped(events)} events`)
  const story = await emitStory(client, cast, { firstDayMs, nowMs, events }, process.stdout)
  say('', 'What happened', ...outcomeLines(story), '')

  say(...(await readReport(client, { url: service.url, ...cast, firstDayMs, nowMs })))
  return 'told'
}

function say(...lines: string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`)
}

const EVENTS_DEFAULT = 200_000
const USAGE = 'Allowed are --exit (end after the report) and --events <100 to 9999999> (default 200000): npm run demo -- --exit --events 5000'

function readOptions(): DemoOptions {
  const { exit, events } = parseOptions()
  if (!/^[1-9]\d{2,6}$/.test(events)) throw new CliError(`--events "${events}" is not a number from 100 to 9999999. ${USAGE}`)
  return { events: Number(events), exit }
}

function parseOptions() {
  try {
    return parseArgs({ options: { exit: { type: 'boolean', default: false }, events: { type: 'string', default: String(EVENTS_DEFAULT) } } }).values
  } catch (error) {
    const problem = error instanceof Error ? (error.message.split('. ')[0] ?? '') : String(error)
    throw new CliError(`${problem}. ${USAGE}`)
  }
}

try {
  await demo(readOptions())
} catch (error) {
  printError({}, error)
}
