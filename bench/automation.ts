import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { runForked } from './forked-task.ts'
import { type Request, runLoad } from './http-load.ts'
import { type Report, type Run, roundsOf } from './report.ts'
import { LEVEL, type SeedThresholdsTask, THRESHOLD_PROJECTS } from './seed-thresholds-main.ts'
import { type ServiceProcess, startServiceProcess } from './service-process.ts'
import { median, percentile, ratiosOfRounds } from './statistics.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

const THRESHOLDS = 10_000
const CHANGED_PROJECTS_PER_SECOND = 1_000
const PACED_S = 30
const ROUNDS = 5
const ROUND_S = 6
const EVENTS_PER_REQUEST = 5_000
const CONNECTIONS = 4
const LOOK_EVERY_MS = 100
const LOOKS_MAX = 600
const SEED_MAIN = fileURLToPath(new URL('./seed-thresholds-main.ts', import.meta.url))

/** Measures how soon a threshold is noticed among 10,000, what evaluating them costs, and whether ingestion is slower beside it. */
export async function measureAutomation(run: Run): Promise<Report> {
  const { progress } = run
  const rounds = roundsOf(run, ROUNDS)
  progress(`automation, seeding ${THRESHOLD_PROJECTS} projects, once with ${THRESHOLDS} thresholds and once without`)
  const watched = await open(run, THRESHOLDS)
  const plain = await open(run, 0)
  const rates: { watched: number[]; plain: number[] } = { watched: [], plain: [] }
  for (let round = 1; round <= rounds; round += 1) {
    progress(`automation, round ${round} of ${rounds}: ingestion with thresholds and without`)
    rates.plain.push(await eventsPerSecond(plain))
    rates.watched.push(await eventsPerSecond(watched))
  }
  progress(`automation, ${CHANGED_PROJECTS_PER_SECOND} projects change per second`)
  const pacedPlain = await paced(plain, undefined)
  const lagsMs: number[] = []
  const pacedWatched = await paced(watched, lagsMs)
  return reportOf({ rates, lagsMs, cpu: { watched: pacedWatched, plain: pacedPlain } })
}

interface Opened {
  readonly service: ServiceProcess
  readonly key: string
}

async function open({ closers }: Run, thresholds: number): Promise<Opened> {
  const dataDir = makeTemporaryDirectory(closers)
  await runForked<SeedThresholdsTask, unknown>(SEED_MAIN, { dataDir, thresholds }, closers)
  const service = await startServiceProcess(dataDir, closers)
  const headers = { authorization: `Bearer ${service.adminToken}`, 'content-type': 'application/json' }
  const answer = await fetch(new URL('/admin/v1/ingest-keys', service.url), { method: 'POST', headers, body: '{"name":"bench"}' })
  const { key } = (await answer.json()) as { key: string }
  return { service, key }
}

function projectAt(number: number): string {
  return `prj_${String(number % THRESHOLD_PROJECTS).padStart(5, '0')}`
}

function requestOf({ service, key }: Opened, projects: readonly string[], value = '1'): Request {
  const timestamp = new Date().toISOString()
  const events = projects.map((project_id) => ({ event_id: randomUUID(), project_id, metric: 'ai_tokens', value, timestamp }))
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  return { method: 'POST', url: new URL('/v1/events', service.url), headers, body: Buffer.from(JSON.stringify(events)) }
}

async function eventsPerSecond(opened: Opened): Promise<number> {
  const projects = Array.from({ length: EVENTS_PER_REQUEST }, (_, number) => projectAt(number))
  const requests = Array.from({ length: 60 }, () => requestOf(opened, projects))
  const { seconds, answers } = await runLoad({ connections: CONNECTIONS, secondsMax: ROUND_S, requests })
  return (answers.length * EVENTS_PER_REQUEST) / seconds
}

/** Returns the CPU seconds of the service for each second of the load. With `lagsMs`, each second one project reaches its level. */
async function paced(opened: Opened, lagsMs: number[] | undefined): Promise<number> {
  const before = await opened.service.metrics()
  const started = performance.now()
  const acknowledgedMs: number[] = []
  for (let second = 0; second < PACED_S; second += 1) {
    const projects = Array.from({ length: CHANGED_PROJECTS_PER_SECOND }, (_, number) => projectAt(second * CHANGED_PROJECTS_PER_SECOND + number))
    await runLoad({ connections: 1, secondsMax: 60, requests: [requestOf(opened, projects)] })
    if (lagsMs !== undefined) {
      await runLoad({ connections: 1, secondsMax: 60, requests: [requestOf(opened, [projectAt(second)], LEVEL)] })
      acknowledgedMs.push(Date.now())
    }
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, started + (second + 1) * 1_000 - performance.now())))
  }
  const seconds = (performance.now() - started) / 1_000
  const cpu = (metrics: ReadonlyMap<string, number>) => metrics.get('process_cpu_seconds_total') ?? Number.NaN
  const used = cpu(await opened.service.metrics()) - cpu(before)
  // Only now: to ask meanwhile would be a part of what is measured.
  for (const [second, sinceMs] of acknowledgedMs.entries()) lagsMs?.push((await transitionMsOf(opened, `th_${second}`)) - sinceMs)
  return used / seconds
}

/** When the message of a threshold was made, in ms since 1970. Waits for it. Throws when it does not come. */
async function transitionMsOf({ service }: Opened, threshold: string): Promise<number> {
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    const headers = { authorization: `Bearer ${service.adminToken}` }
    const answer = await fetch(new URL(`/admin/v1/thresholds/${threshold}/history`, service.url), { headers })
    const { history } = (await answer.json()) as { history: readonly { readonly at: string }[] }
    const [first] = history
    if (first !== undefined) return Date.parse(first.at)
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
  throw new Error(`The threshold ${threshold} was reached, and no message was made.`)
}

interface Measured {
  readonly rates: { readonly watched: readonly number[]; readonly plain: readonly number[] }
  readonly lagsMs: readonly number[]
  readonly cpu: { readonly watched: number; readonly plain: number }
}

function reportOf({ rates, lagsMs, cpu }: Measured): Report {
  const ratios = ratiosOfRounds(rates.watched, rates.plain)
  const spread = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`
  return {
    name: 'automation',
    notes: [
      `${THRESHOLDS} thresholds, each on one of ${THRESHOLD_PROJECTS} projects. The service without thresholds runs on the same machine and is idle meanwhile.`,
    ],
    tables: [
      {
        title: `Ingestion at full speed, ${EVENTS_PER_REQUEST} events a request, ${CONNECTIONS} connections`,
        columns: ['service', 'ratio', 'events/s (median)'],
        rows: [
          ['without thresholds', '1.0', median(rates.plain).toFixed(0)],
          ['with thresholds', `${median(ratios).toFixed(2)} (${spread})`, median(rates.watched).toFixed(0)],
        ],
      },
      {
        title: `${CHANGED_PROJECTS_PER_SECOND} projects change per second`,
        columns: ['what', 'figure'],
        rows: [
          ['from the acknowledged event to the message, p50 ms', percentile(lagsMs, 0.5).toFixed(0)],
          ['the same, slowest ms', Math.max(...lagsMs).toFixed(0)],
          ['CPU of the service, s per s', cpu.watched.toFixed(2)],
          ['CPU without thresholds, s per s', cpu.plain.toFixed(2)],
        ],
      },
    ],
    figures: {
      ratio_ingestion_with_thresholds: median(ratios),
      threshold_lag_p50_ms: percentile(lagsMs, 0.5),
      threshold_lag_max_ms: Math.max(...lagsMs),
      ratio_cpu_with_thresholds: cpu.watched / cpu.plain,
    },
  }
}
