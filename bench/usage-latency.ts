import { MS_PER_DAY } from '../metering/timestamp.ts'
import { type Request, runLoad } from './http-load.ts'
import { untilAudited } from './measured-service.ts'
import { mebibytes, type Report, type Run } from './report.ts'
import { seedUsage } from './seeded-usage.ts'
import { SEEDED_DAYS, SEEDED_FROM, SEEDED_PROJECTS, type UsageSeeded } from './seeded-usage-main.ts'
import { startServiceProcess } from './service-process.ts'
import { percentile } from './statistics.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

interface UsageRequest {
  readonly name: string
  readonly what: string
  readonly requests: number
  path(request: number, seeded: UsageSeeded): string
}

const REQUESTS: readonly UsageRequest[] = [
  { name: 'healthz', what: '/healthz (the floor)', requests: 500, path: () => '/healthz' },
  { name: 'project_7_days', what: 'project usage, 7 days', requests: 300, path: (request, seeded) => `${projectPath(request, seeded)}?${period(7)}` },
  { name: 'project_30_days', what: 'project usage, 30 days', requests: 300, path: (request, seeded) => `${projectPath(request, seeded)}?${period(30)}` },
  {
    name: 'partnership_30_days',
    what: 'partnership usage, 30 days',
    requests: 20,
    path: (_, { partnerId }) => `/partnership/v1/${partnerId}/usage?${period(30)}`,
  },
  {
    name: 'partnership_90_days',
    what: 'partnership usage, 90 days',
    requests: 10,
    path: (_, { partnerId }) => `/partnership/v1/${partnerId}/usage?${period(90)}`,
  },
]
const WARM_UP_REQUESTS = 3

/** Measures how long a partner waits for an answer, compared with an answer without any query. One connection, one request after another. */
export async function measureUsageLatency({ closers, progress }: Run): Promise<Omit<Report, 'name'>> {
  progress(`usage, seeding ${SEEDED_PROJECTS} projects`)
  const dataDir = makeTemporaryDirectory(closers)
  const seeded = await seedUsage(dataDir, closers)
  const service = await startServiceProcess(dataDir, closers)
  progress('usage, waiting until the days are audited')
  await untilAudited(service)
  const rssAtStart = await service.rssBytes()
  const answers: { request: UsageRequest; ms: number[] }[] = []
  for (const request of REQUESTS) {
    progress(`usage, ${request.what}`)
    const requests = requestsOf(request, service.url, seeded)
    await runLoad({ connections: 1, secondsMax: 60, requests: requests.slice(0, WARM_UP_REQUESTS) })
    const { answers: answered } = await runLoad({ connections: 1, secondsMax: 60, requests })
    answers.push({ request, ms: answered.map(({ seconds }) => seconds * 1000) })
  }
  const rssAtEnd = await service.rssBytes()
  await service.stop()
  return reportOf(answers, { rssAtStart, rssAtEnd })
}

function requestsOf({ requests, path }: UsageRequest, serviceUrl: string, seeded: UsageSeeded): Request[] {
  const headers = { 'x-partnership-secret': seeded.secret }
  return Array.from({ length: requests }, (_, index) => ({ method: 'GET' as const, url: new URL(path(index, seeded), serviceUrl), headers }))
}

/** A different project for each request, so that none is answered from a cache that an earlier one filled. */
function projectPath(request: number, { partnerId }: UsageSeeded): string {
  const project = String((request * 7_919) % SEEDED_PROJECTS).padStart(5, '0')
  return `/partnership/v1/${partnerId}/prj_${project}/usage`
}

function period(days: number): string {
  const last = new Date(Date.parse(SEEDED_FROM) + (SEEDED_DAYS - 1) * MS_PER_DAY)
  const first = new Date(last.getTime() - (days - 1) * MS_PER_DAY)
  return `start_date=${first.toISOString().slice(0, 10)}&end_date=${last.toISOString().slice(0, 10)}`
}

function reportOf(
  answers: readonly { request: UsageRequest; ms: readonly number[] }[],
  memory: { rssAtStart: number; rssAtEnd: number },
): Omit<Report, 'name'> {
  const figures: Record<string, number> = {}
  const floor = percentile(answers[0]?.ms ?? [], 0.5)
  const rows = answers.map(({ request: { name, what }, ms }) => {
    const [p50, p99] = [percentile(ms, 0.5), percentile(ms, 0.99)]
    Object.assign(figures, { [`${name}_p50_ms`]: p50, [`${name}_p99_ms`]: p99 })
    if (name !== 'healthz') figures[`ratio_latency_${name}_healthz`] = p50 / floor
    return [what, (p50 / floor).toFixed(1), p50.toFixed(1), p99.toFixed(1), String(ms.length)]
  })
  Object.assign(figures, { rss_usage_service_at_start_bytes: memory.rssAtStart, rss_usage_service_after_the_questions_bytes: memory.rssAtEnd })
  return {
    notes: [
      `Usage: ${SEEDED_PROJECTS} projects of one partner, ${SEEDED_DAYS} days, 9 metrics (8.1 million rows of rollup, merged); one connection. With few requests p99 is the slowest one.`,
    ],
    tables: [
      { title: 'Usage latency', columns: ['request', 'ratio to floor (p50)', 'p50 ms', 'p99 ms', 'requests'], rows },
      {
        title: 'Memory while usage is requested',
        columns: ['process', 'RSS MiB'],
        rows: [
          ['service at start', mebibytes(memory.rssAtStart)],
          ['service after the requests', mebibytes(memory.rssAtEnd)],
        ],
      },
    ],
    figures,
  }
}
