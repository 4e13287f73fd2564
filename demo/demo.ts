import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { counted } from '../metering/counted.ts'
import { monthOf } from '../metering/month.ts'
import { dayOf } from '../metering/timestamp.ts'
import { Closers } from '../service/closers.ts'
import { untilSignal } from '../service/signals.ts'
import type { Service } from '../service/start-service.ts'
import { closeLastMonth } from './close-last-month.ts'
import { DemoClient } from './demo-client.ts'
import { startDemoService } from './demo-service.ts'
import { emitStory } from './emit-story.ts'
import { readReport } from './report.ts'
import { PARTNER_NAME, setUp } from './set-up.ts'
import { outcomeLines } from './tables.ts'

/** Plays a month of a partnership in about a minute, through the public HTTP API of a separate service, and prints what the partner is billed for. */
async function demo({ events, exit }: DemoOptions): Promise<void> {
  const closers = new Closers()
  let terminalGone = false
  process.once('SIGHUP', () => {
    terminalGone = true
  })
  const stopped = untilStopped()
  try {
    say('Meterline demo: starting a separate service with the embedded engine, in a temporary directory')
    const service = await startDemoService(process.env, closers)
    const ending = new AbortController()
    const played = playStory(service, events, ending.signal)
    // The story ends before its service does, so that nothing is sent to a service that is closing.
    closers.add(async () => {
      ending.abort()
      await played.catch(() => {})
    })
    if ((await Promise.race([played, stopped, service.failed])) !== 'played') return
    if (exit)
      return say(
        '',
        'Without --exit the service keeps running, so that these commands work.',
        `The dashboard is then at ${service.url}/, the API reference at ${service.url}/docs`,
      )
    say('', `Serving until Ctrl-C. Dashboard: ${service.url}/ API reference: ${service.url}/docs`)
    await Promise.race([stopped, service.failed])
  } finally {
    await closers.closeAll()
    // A process with the embedded engine hangs in its exit when its terminal is gone. Everything is closed, so it can be killed.
    if (terminalGone) process.kill(process.pid, 'SIGKILL')
  }
  say('', 'Stopped. The temporary directory is deleted.')
}

interface DemoOptions {
  readonly events: number
  readonly exit: boolean
}

/** Resolves on a signal, a closed terminal, or a closed output (`npm run demo | head`). */
function untilStopped(): Promise<unknown> {
  const outputClosed = new Promise((resolve) => process.stdout.on('error', resolve))
  return Promise.race([untilSignal(), once(process, 'SIGHUP'), outputClosed])
}

async function playStory(service: Service, events: number, signal: AbortSignal): Promise<'played'> {
  const client = new DemoClient(service, signal)
  const nowMs = Date.now()
  const now = new Date(nowMs)
  const firstDayMs = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1)
  const setup = await setUp(client, monthOf(dayOf(firstDayMs)))
  say(`  ready at ${service.url}: partner ${PARTNER_NAME}, ${counted(setup.projects.length, 'project')}, one ingest key`)

  say(`  sending about ${counted(events, 'event')}: last month, and this month until now`)
  const story = await emitStory(client, setup, { firstDayMs, nowMs, events }, process.stdout)
  say('', 'Outcome of the events', ...outcomeLines(story), '')

  const closed = await closeLastMonth(client, setup, { firstDayMs, nowMs })
  say(...closed, ...(await readReport(client, { url: service.url, ...setup, firstDayMs, nowMs })))
  return 'played'
}

function say(...lines: string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`)
}

const EVENTS_DEFAULT = 200_000
const USAGE = 'Options: --exit (stop after the report), --events <100 to 9999999> (default 200000). Example: npm run demo -- --exit --events 5000'

function readOptions(): DemoOptions {
  const { exit, events } = parseOptions()
  if (!/^[1-9]\d{2,6}$/.test(events)) throw new Error(`--events "${events}" is not a number from 100 to 9999999. ${USAGE}`)
  return { events: Number(events), exit }
}

function parseOptions() {
  try {
    return parseArgs({ options: { exit: { type: 'boolean', default: false }, events: { type: 'string', default: String(EVENTS_DEFAULT) } } }).values
  } catch (error) {
    const problem = error instanceof Error ? (error.message.split('. ')[0] ?? '') : String(error)
    throw new Error(`${problem}. ${USAGE}`)
  }
}

try {
  await demo(readOptions())
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
