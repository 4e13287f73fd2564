import { fileURLToPath } from 'node:url'
import { parsePeriod } from '../metering/period.ts'
import { MS_PER_DAY } from '../metering/timestamp.ts'
import type { CachedVsComputed, CachedVsComputedTask } from './cached-vs-computed-main.ts'
import { runForked } from './forked-task.ts'
import { runLoad } from './http-load.ts'
import { mebibytes, type Report, type Run } from './report.ts'
import { LARGE_PROJECTS, type SeededPartner, type SeedTotalsTask, SMALL_PROJECTS, TOTALS_DAYS, TOTALS_FROM, type TotalsSeeded } from './seed-totals-main.ts'
import { type ServiceProcess, startServiceProcess } from './service-process.ts'
import { median, percentile } from './statistics.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

const EVENTS = 20_000_000
const REQUESTS = 300
const CLOSED_MONTH = '2026-01'
const SEED_MAIN = fileURLToPath(new URL('./seed-totals-main.ts', import.meta.url))
const COMPARE_MAIN = fileURLToPath(new URL('./cached-vs-computed-main.ts', import.meta.url))
const EXPORTS = [
  { name: 'csv', query: `from=${TOTALS_FROM}&to=2026-03-31&format=csv` },
  { name: 'parquet', query: `from=${TOTALS_FROM}&to=2026-03-31&format=parquet` },
  { name: 'focus_csv', query: `month=${CLOSED_MONTH}&format=focus-csv` },
  { name: 'focus_parquet', query: `month=${CLOSED_MONTH}&format=focus-parquet` },
] as const

/** Measures how fast totals are read, audited, closed and exported, for a partner of 20,000 projects. */
export async function measureTotals(run: Run): Promise<Report> {
  const { closers, progress } = run
  const events = run.events ?? EVENTS
  const dataDir = makeTemporaryDirectory(closers)
  progress(`seeding ${events} events`)
  const { large, small } = await runForked<SeedTotalsTask, TotalsSeeded>(SEED_MAIN, { dataDir, events }, closers)
  const parsed = parsePeriod({ start: TOTALS_FROM, end: dayOfPeriod(TOTALS_DAYS - 1) }, 0)
  if (parsed.status === 'invalid') throw new Error(parsed.problem)
  progress('materialized days compared with the plain computation')
  const task = { dataDir, largeId: large.partnerId, smallId: small.partnerId, period: parsed.period }
  const compared = await runForked<CachedVsComputedTask, CachedVsComputed>(COMPARE_MAIN, task, closers)
  if (!compared.same) throw new Error('The materialized days and the plain computation do not agree.')
  const service = await startServiceProcess(dataDir, closers, { environment: { CLOSE_GRACE_HOURS: '1000000' } })
  await untilSteady(service, large)
  progress('partnership usage over HTTP')
  const largeMs = await usageMs(service, large)
  const smallMs = await usageMs(service, small)
  progress('auditing everything')
  const audit = await admin(service, 'POST', '/admin/v1/audits', {})
  if (audit.body['differences']?.length !== 0) throw new Error('The audit finds differences.')
  progress('closing a month')
  await admin(service, 'PATCH', `/admin/v1/partners/${large.partnerId}`, { billing_from: CLOSED_MONTH })
  const closing = await admin(service, 'POST', `/admin/v1/statements/${large.partnerId}/${CLOSED_MONTH}/close`, {})
  const exported = []
  for (const { name, query } of EXPORTS) {
    progress(`exporting ${name}`)
    exported.push({ name, ...(await measureExport(service, `/admin/v1/exports?partner=${large.partnerId}&${query}`)) })
  }
  await service.stop()
  return reportOf({ events, compared, largeMs, smallMs, auditSeconds: audit.seconds, closeSeconds: closing.seconds, exported })
}

function dayOfPeriod(day: number): string {
  return new Date(Date.parse(TOTALS_FROM) + day * MS_PER_DAY).toISOString().slice(0, 10)
}

/** Waits until the work of a start is done: the filter of identities is complete, usage has a watermark, and finished days are audited. */
async function untilSteady(service: ServiceProcess, { partnerId, secret }: SeededPartner): Promise<void> {
  for (;;) {
    const metrics = await service.metrics()
    const url = new URL(`/partnership/v1/${partnerId}/usage?${PERIOD}`, service.url)
    const { as_of } = (await (await fetch(url, { headers: { 'x-partnership-secret': secret } })).json()) as { as_of: string | null }
    if (metrics.get('meterline_filter_complete') === 1 && as_of !== null && metrics.has('meterline_audit_differences')) return
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

const PERIOD = `start_date=${TOTALS_FROM}&end_date=${dayOfPeriod(TOTALS_DAYS - 1)}`

async function usageMs(service: ServiceProcess, { partnerId, secret }: SeededPartner): Promise<number[]> {
  const request = {
    method: 'GET' as const,
    url: new URL(`/partnership/v1/${partnerId}/usage?${PERIOD}`, service.url),
    headers: { 'x-partnership-secret': secret },
  }
  const { answers } = await runLoad({ connections: 1, secondsMax: 60, requests: Array.from({ length: REQUESTS }, () => request) })
  return answers.map(({ seconds }) => seconds * 1000)
}

interface AdminAnswer {
  readonly seconds: number
  readonly body: Record<string, unknown[] | undefined>
}

async function admin(service: ServiceProcess, method: string, path: string, body: object): Promise<AdminAnswer> {
  const started = performance.now()
  const headers = { authorization: `Bearer ${service.adminToken}`, 'content-type': 'application/json' }
  const answer = await fetch(new URL(path, service.url), { method, headers, body: JSON.stringify(body) })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${path} failed with status ${answer.status}: ${text}`)
  return { seconds: (performance.now() - started) / 1000, body: JSON.parse(text) as AdminAnswer['body'] }
}

interface Exported {
  readonly rows: number
  readonly bytes: number
  readonly seconds: number
  readonly rssGrowthBytes: number
}

/** Downloads a file as fast as it arrives and samples the memory of the service meanwhile. */
async function measureExport(service: ServiceProcess, path: string): Promise<Exported> {
  const rssBefore = await service.rssBytes()
  let rssMax = rssBefore
  let reading = true
  const sampling = (async () => {
    while (reading) {
      rssMax = Math.max(rssMax, await service.rssBytes())
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  })()
  const started = performance.now()
  const answer = await fetch(new URL(path, service.url), { headers: { authorization: `Bearer ${service.adminToken}` } })
  if (!answer.ok || answer.body === null) throw new Error(`${path} failed with status ${answer.status}: ${await answer.text()}`)
  let bytes = 0
  for await (const chunk of answer.body) bytes += (chunk as Uint8Array).length
  const seconds = (performance.now() - started) / 1000
  reading = false
  await sampling
  const { rows } = JSON.parse(answer.headers.get('x-meterline-manifest') ?? '{}') as { rows: number }
  return { rows, bytes, seconds, rssGrowthBytes: rssMax - rssBefore }
}

interface Measured {
  readonly events: number
  readonly compared: CachedVsComputed
  readonly largeMs: readonly number[]
  readonly smallMs: readonly number[]
  readonly auditSeconds: number
  readonly closeSeconds: number
  readonly exported: readonly ({ name: string } & Exported)[]
}

function reportOf({ events, compared, largeMs, smallMs, auditSeconds, closeSeconds, exported }: Measured): Report {
  const [computed, cached, cachedSmall] = [median(compared.computed), median(compared.cached), median(compared.cachedSmall)]
  const sizes = largeMs.length === 0 ? Number.NaN : median(largeMs) / median(smallMs)
  const ms = (value: number) => value.toFixed(1)
  const line = (what: string, ratio: string, values: readonly number[]) => [
    what,
    ratio,
    ms(percentile(values, 0.5)),
    ms(percentile(values, 0.99)),
    String(values.length),
  ]
  return {
    name: 'totals',
    notes: [
      `${events} raw events of ${LARGE_PROJECTS} projects of one partner and ${SMALL_PROJECTS} of another, ${TOTALS_DAYS} days, 9 metrics; merged. One connection, one request after another. With few requests p99 is the slowest one.`,
    ],
    tables: [
      {
        title: `Partnership usage, ${TOTALS_DAYS} days`,
        columns: ['answer', 'ratio', 'p50 ms', 'p99 ms', 'requests'],
        rows: [
          line('by a pass over the project rollup', '1.0', compared.computed),
          line(`materialized days, ${LARGE_PROJECTS} projects`, `${(computed / cached).toFixed(0)} times faster`, compared.cached),
          line(`materialized days, ${SMALL_PROJECTS} projects`, `${(cached / cachedSmall).toFixed(2)} (large to small)`, compared.cachedSmall),
          line('materialized days, one of them just changed', `${(computed / median(compared.changedDay)).toFixed(1)} times faster`, compared.changedDay),
          line(`over HTTP, ${LARGE_PROJECTS} projects`, `${sizes.toFixed(2)} (large to small)`, largeMs),
          line(`over HTTP, ${SMALL_PROJECTS} projects`, '', smallMs),
        ],
      },
      {
        title: 'Background and administrative work',
        columns: ['work', 'seconds'],
        rows: [
          [`first refresh of ${TOTALS_DAYS} days`, (compared.firstRefreshMs / 1000).toFixed(2)],
          ['refresh of one changed day (followed by a pause of 1 s or three times as long)', (median(compared.refreshMs) / 1000).toFixed(2)],
          [`audit of ${events} events`, auditSeconds.toFixed(1)],
          [`closing a month of ${LARGE_PROJECTS} projects, its audit included`, closeSeconds.toFixed(1)],
        ],
      },
      {
        title: 'Exports',
        columns: ['format', 'rows', 'rows/s', 'MiB', 'seconds', 'RSS growth MiB'],
        rows: exported.map(({ name, rows, bytes, seconds, rssGrowthBytes }) => [
          ...[name, String(rows), (rows / seconds).toFixed(0), mebibytes(bytes), seconds.toFixed(1), mebibytes(rssGrowthBytes)],
        ]),
      },
    ],
    figures: {
      ratio_partner_usage_computed: computed / cached,
      ratio_partner_usage_large_small: cached / cachedSmall,
      ratio_partner_usage_http_large_small: sizes,
      usage_http_p50_ms: percentile(largeMs, 0.5),
      usage_http_p99_ms: percentile(largeMs, 0.99),
      usage_plain_p50_ms: computed,
      usage_changed_day_p50_ms: median(compared.changedDay),
      refresh_one_day_ms: median(compared.refreshMs),
      audit_seconds: auditSeconds,
      close_seconds: closeSeconds,
      ...Object.fromEntries(
        exported.flatMap(({ name, rows, seconds, rssGrowthBytes }) => [
          [`export_${name}_rows_per_second`, rows / seconds],
          [`export_${name}_rss_growth_bytes`, rssGrowthBytes],
        ]),
      ),
    },
  }
}
