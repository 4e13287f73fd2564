import autocannon from 'autocannon'
import { MS_PER_DAY } from '../metering/timestamp.ts'
import type { AnsweredRequest } from '../test/support/query-trace.ts'
import { type MeasuredService, startMeasuredService, untilAudited } from './measured-service.ts'
import { type Report, type Run, roundsOf } from './report.ts'
import { seedUsage } from './seeded-usage.ts'
import { SEEDED_DAYS, SEEDED_FROM, SEEDED_PROJECTS, type UsageSeeded } from './seeded-usage-main.ts'
import { median, percentile } from './statistics.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

const CONNECTIONS = 50
const ROUNDS = 3
const TIMES_REQUESTED_MAX = 5
const LOAD_S = 5
const SEQUENTIAL_REQUESTS = 300
const SYNCED_PROJECTS = 50
const LISTS = 5
const PAGE_SIZES = [100, 1_000] as const

interface Call {
  readonly name: string
  readonly what: string
  /** Of the requests of all rounds, counted from 1. What is remembered for one may answer another only where the call says so. */
  path(request: number): string
}

interface Measured {
  readonly sent: number
  readonly requestsPerSecond: number
  /** To the rate of /healthz in the same round. */
  readonly ratio: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Requests that were not answered with 2xx. */
  readonly failed: number
}

/** Measures how many requests one process answers, and what it adds to the time of its queries. Another process generates the load. */
export async function measureApi(run: Run): Promise<Report> {
  const { closers, progress } = run
  progress(`api, seeding ${SEEDED_PROJECTS} projects`)
  const dataDir = makeTemporaryDirectory(closers)
  const seeded = await seedUsage(dataDir, closers)
  const service = await startMeasuredService(dataDir, closers)
  progress('api, waiting until the days are audited')
  await untilAudited(service)
  const calls = callsOf(seeded, await syncProjects(service, seeded))
  await requestAll(run, service, seeded, calls)
  const measured = new Map(calls.map(({ name }) => [name, [] as Measured[]]))
  const sequential = new Map<string, readonly AnsweredRequest[]>()
  const rounds = roundsOf(run, ROUNDS)
  // What was never requested before comes last: it takes the place of what is remembered.
  const groups = [calls.filter(({ name }) => name !== 'first_usage'), calls.filter(({ name }) => name === 'healthz' || name === 'first_usage')]
  for (const group of groups) {
    for (let round = 1; round <= rounds; round += 1) {
      let floor: number | undefined
      for (const call of group) {
        progress(`api, round ${round} of ${rounds}: ${call.what}, ${CONNECTIONS} connections`)
        const before = measured.get(call.name) ?? []
        const loaded = await load(service, seeded, call, before.at(-1)?.sent ?? 0)
        floor ??= loaded.requestsPerSecond
        before.push({ ...loaded, ratio: loaded.requestsPerSecond / floor })
      }
    }
    await service.takeAnsweredRequests()
    for (const call of group) {
      progress(`api, ${call.what}, one request after another`)
      const sent = measured.get(call.name)?.at(-1)?.sent ?? 0
      for (let request = 1; request <= SEQUENTIAL_REQUESTS; request += 1) await sendRequest(service, seeded, call.path(sent + request))
      sequential.set(call.name, await service.takeAnsweredRequests())
    }
  }
  progress('api, the list of all projects with their usage')
  const lists = new Map<number, readonly number[]>()
  for (const pageSize of PAGE_SIZES) lists.set(pageSize, await measureLists(service, seeded, pageSize))
  return reportOf(calls, measured, sequential, lists)
}

/**
 * Requests the usage of all projects until nothing is computed anymore: after that, requests of project usage are for what was requested before.
 * Background work after the projects were created counts as a change of what they depend on, so the first time may not be enough.
 */
async function requestAll({ progress }: Run, service: MeasuredService, { secret }: UsageSeeded, calls: readonly Call[]): Promise<void> {
  const path = calls.find(({ name }) => name === 'project_usage')?.path ?? (() => '/')
  await service.takeAnsweredRequests()
  for (let time = 1; time <= TIMES_REQUESTED_MAX; time += 1) {
    progress(`api, requesting the usage of all ${SEEDED_PROJECTS} projects, time ${time}`)
    let request = 0
    const setupRequest = (template: autocannon.Request) => ({ ...template, path: path(request++) })
    const { non2xx, errors } = await autocannon({
      url: service.url,
      connections: CONNECTIONS,
      amount: SEEDED_PROJECTS,
      requests: [{ headers: { 'x-partnership-secret': secret }, setupRequest }],
    })
    if (non2xx + errors > 0) throw new Error(`${non2xx + errors} of ${SEEDED_PROJECTS} requests for usage failed.`)
    const answered = await service.takeAnsweredRequests()
    if (!answered.some(({ queries }) => queries.includes('project_usage_per_day'))) return
  }
  throw new Error(`Usage was still computed when it was requested for the ${TIMES_REQUESTED_MAX}th time.`)
}

/** Milliseconds of reading all projects with their usage of a month, page by page; the first reading is not counted. */
async function measureLists(service: MeasuredService, seeded: UsageSeeded, pageSize: number): Promise<number[]> {
  const times: number[] = []
  for (let list = 0; list <= LISTS; list += 1) {
    const startedMs = performance.now()
    let [cursor, projects]: [string | null, number] = ['', 0]
    while (cursor !== null) {
      const page = `limit=${pageSize}${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`
      const answer = await sendRequest(service, seeded, `/partnership/v1/${seeded.partnerId}/projects?${period(30)}&${page}`)
      const read = JSON.parse(answer) as { projects: unknown[]; next_cursor: string | null }
      projects += read.projects.length
      cursor = read.next_cursor
    }
    if (projects < SEEDED_PROJECTS) throw new Error(`The list has ${projects} projects instead of at least ${SEEDED_PROJECTS}.`)
    times.push(performance.now() - startedMs)
  }
  return times.slice(1)
}

function callsOf({ partnerId }: UsageSeeded, synced: readonly string[]): Call[] {
  const base = `/partnership/v1/${partnerId}`
  return [
    { name: 'healthz', what: '/healthz (the floor)', path: () => '/healthz' },
    { name: 'metadata', what: 'metadata of a project', path: (request) => `${base}/${synced[request % synced.length]}/metadata` },
    { name: 'project_usage', what: 'project usage, 7 days', path: (request) => `${base}/${seededProject(request)}/usage?${period(7)}` },
    {
      name: 'first_usage',
      what: 'project usage, 7 days, never requested before',
      // After all projects, other days of them.
      path: (request) => `${base}/${seededProject(request)}/usage?${period(7, 1 + Math.floor(request / SEEDED_PROJECTS))}`,
    },
    { name: 'partnership_usage', what: 'partnership usage, 30 days', path: () => `${base}/usage?${period(30)}` },
  ]
}

function seededProject(request: number): string {
  return `prj_${String((request * 7_919) % SEEDED_PROJECTS).padStart(5, '0')}`
}

/** The days that end so many days before the last one. */
function period(days: number, before = 0): string {
  const last = Date.parse(SEEDED_FROM) + (SEEDED_DAYS - 1 - before) * MS_PER_DAY
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10)
  return `start_date=${day(last - (days - 1) * MS_PER_DAY)}&end_date=${day(last)}`
}

/** Creates projects as a partner does: each has an api key and some usage. */
async function syncProjects({ url, adminToken }: MeasuredService, { partnerId, secret }: UsageSeeded): Promise<string[]> {
  const ids: string[] = []
  const post = async <Answer>(path: string, headers: Record<string, string>, body: unknown): Promise<Answer> => {
    const answer = await fetch(new URL(path, url), { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })
    if (!answer.ok) throw new Error(`${path} failed with status ${answer.status}.`)
    return (await answer.json()) as Answer
  }
  for (let number = 0; number < SYNCED_PROJECTS; number += 1) {
    const body = { project_name: `synced ${number}` }
    const { project } = await post<{ project: { id: string } }>(`/partnership/v1/${partnerId}/sync-embedded-project`, { 'x-partnership-secret': secret }, body)
    ids.push(project.id)
  }
  const { key } = await post<{ key: string }>('/admin/v1/ingest-keys', { authorization: `Bearer ${adminToken}` }, { name: 'bench' })
  const timestamp = new Date().toISOString()
  const events = ids.map((project_id) => ({ event_id: 'first', project_id, metric: 'ai_tokens', value: 1, timestamp }))
  await post('/v1/events', { authorization: `Bearer ${key}` }, events)
  return ids
}

async function load({ url }: MeasuredService, { secret }: UsageSeeded, { path }: Call, sentBefore: number): Promise<Omit<Measured, 'ratio'>> {
  let request = sentBefore
  const result = await autocannon({
    url,
    connections: CONNECTIONS,
    duration: LOAD_S,
    requests: [
      {
        headers: { 'x-partnership-secret': secret },
        setupRequest: (template) => {
          request += 1
          return { ...template, path: path(request) }
        },
      },
    ],
  })
  return {
    sent: request,
    requestsPerSecond: result['2xx'] / result.duration,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    failed: result.non2xx + result.errors,
  }
}

async function sendRequest({ url }: MeasuredService, { secret }: UsageSeeded, path: string): Promise<string> {
  const answer = await fetch(new URL(path, url), { headers: { 'x-partnership-secret': secret } })
  if (!answer.ok) throw new Error(`${path} failed with status ${answer.status}.`)
  return answer.text()
}

function reportOf(
  calls: readonly Call[],
  measured: ReadonlyMap<string, readonly Measured[]>,
  sequential: ReadonlyMap<string, readonly AnsweredRequest[]>,
  lists: ReadonlyMap<number, readonly number[]>,
): Report {
  const figures: Record<string, number> = Object.fromEntries([...lists].map(([pageSize, ms]) => [`list_in_pages_of_${pageSize}_ms`, median(ms)]))
  const loaded = calls.map(({ name, what }) => {
    const rounds = measured.get(name) ?? []
    const rates = rounds.map(({ requestsPerSecond }) => requestsPerSecond)
    const [ratio, rate] = [median(rounds.map((round) => round.ratio)), median(rates)]
    const [p50, p99] = [median(rounds.map(({ p50Ms }) => p50Ms)), median(rounds.map(({ p99Ms }) => p99Ms))]
    const failed = rounds.reduce((sum, round) => sum + round.failed, 0)
    Object.assign(figures, { [`${name}_requests_per_s`]: rate, [`${name}_p50_ms`]: p50, [`${name}_p99_ms`]: p99 })
    if (name !== 'healthz') figures[`ratio_${name}_healthz`] = ratio
    return [what, ratio.toFixed(3), rate.toFixed(0), p50.toFixed(0), p99.toFixed(0), String(failed)]
  })
  const own = calls.map(({ name, what }) => {
    const requests = sequential.get(name) ?? []
    const ownMs = requests.map((request) => request.ownMs)
    const [p50, p99] = [median(ownMs), percentile(ownMs, 0.99)]
    const total = median(requests.map(({ totalMs }) => totalMs))
    const queries = median(requests.map((request) => request.queries.length))
    Object.assign(figures, { [`${name}_own_p50_ms`]: p50, [`${name}_own_p99_ms`]: p99, [`${name}_alone_p50_ms`]: total, [`${name}_queries`]: queries })
    return [what, p50.toFixed(2), p99.toFixed(2), total.toFixed(1), String(queries)]
  })
  return {
    name: 'api',
    notes: [
      `One process with the embedded engine, ${SEEDED_PROJECTS} projects of one partner, ${SEEDED_DAYS} days, 9 metrics; autocannon in another process on the same cores. Without request limits.`,
      `Under load: ${measured.get('metadata')?.length} rounds of ${LOAD_S} s for each call; the figures are medians of the rounds. Own time: ${SEQUENTIAL_REQUESTS} requests one after another, from the first line of the request to the end of the answer, without the time in which one of its queries was running (aim: median at most 2 ms).`,
    ],
    tables: [
      { title: `${CONNECTIONS} connections`, columns: ['call', 'ratio to /healthz', 'requests/s', 'p50 ms', 'p99 ms', 'failed'], rows: loaded },
      {
        title: `${SEEDED_PROJECTS} projects with their usage of 30 days, ${LISTS} times`,
        columns: ['page', 'median ms', 'shortest', 'longest'],
        rows: [...lists].map(([pageSize, ms]) => [String(pageSize), ...[median(ms), Math.min(...ms), Math.max(...ms)].map((figure) => figure.toFixed(0))]),
      },
      { title: 'Time that the API adds', columns: ['call', 'own p50 ms', 'own p99 ms', 'total p50 ms', 'queries'], rows: own },
    ],
    figures,
  }
}
