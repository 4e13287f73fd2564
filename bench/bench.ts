import { parseArgs } from 'node:util'
import { Closers } from '../service/closers.ts'
import { measureApi } from './api.ts'
import { measureAutomation } from './automation.ts'
import { measureCorrections } from './corrections.ts'
import { measureDashboard } from './dashboard.ts'
import { measureEmitter } from './emitter.ts'
import { measureHostile } from './hostile.ts'
import { measureHttp } from './http.ts'
import { measureIdentities } from './identities.ts'
import { measureIngest } from './ingest.ts'
import { measurePeers } from './peers/peers.ts'
import { measureRegistry } from './registry.ts'
import { type Measurement, printReport } from './report.ts'
import { measureSoak } from './soak.ts'
import { measureTotals } from './totals.ts'

/** All measurements: `npm run bench -- <name> [--json] [--events=<n>]`. Each starts what it needs, stops it at the end and cleans up. */
const MEASUREMENTS: Record<string, { what: string; measure: Measurement }> = {
  api: { what: 'requests per second and latency of reads, compared with /healthz; the time that the api adds to its queries', measure: measureApi },
  automation: {
    what: 'how soon one of 10,000 thresholds is noticed, what that costs, and ingestion beside it',
    measure: measureAutomation,
  },
  corrections: { what: 'usage without corrections, compared with a query that knows none; how soon a voided peak is visible', measure: measureCorrections },
  dashboard: { what: 'sizes of the dashboard, the time to its first number, and how long interactions take, with 10,000 projects', measure: measureDashboard },
  emitter: {
    what: 'events per second through the emitter SDK, compared with a bare HTTP client; CPU per event; sizes of its bundles',
    measure: measureEmitter,
  },
  hostile: { what: 'how long the most expensive requests of one emitter hold up everybody else', measure: measureHostile },
  http: { what: 'events per second over HTTP, compared with baseline inserts; usage latency; memory', measure: measureHttp },
  identities: {
    what: 'look-ups of identities among 2, 20 and 50 million events, the filter, a start, reconciling, and the price of the index',
    measure: measureIdentities,
  },
  ingest: { what: "events per second from Kafka, compared with ClickHouse's Kafka engine; duplicates; recovery after a kill; latency", measure: measureIngest },
  peers: {
    what: 'answers, ingestion and bytes on disk beside other ways to store usage events, on the same engine, data and machine; --full: up to 20 million',
    measure: measurePeers,
  },
  soak: { what: 'millions of events with restarts and redeliveries: whether the end is as fast as the start, and what grows', measure: measureSoak },
  registry: { what: 'projects registered per second, singly and in bulk, without projects and with 100,000', measure: measureRegistry },
  totals: { what: 'partnership usage compared with the plain computation, audit, closing and exports, for 20,000 projects', measure: measureTotals },
}

const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean', default: false }, events: { type: 'string' }, full: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const chosen = positionals.length === 1 ? MEASUREMENTS[positionals[0] ?? ''] : undefined
const events = values.events === undefined ? undefined : Number(values.events)
if (chosen === undefined || (events !== undefined && !(Number.isSafeInteger(events) && events > 0))) {
  const list = Object.entries(MEASUREMENTS).map(([name, { what }]) => `  ${name}  ${what}`)
  process.stderr.write(`usage: npm run bench -- <measurement> [--json] [--full] [--events=<n>]\n\nMeasurements:\n${list.join('\n')}\n`)
  process.exitCode = 1
} else {
  await run(chosen.measure, { json: values.json, events, full: values.full })
}

async function run(measure: Measurement, { json, events, full }: { json: boolean; events: number | undefined; full: boolean }): Promise<void> {
  const closers = new Closers()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => closers.closeAll().finally(() => process.exit(1)))
  }
  try {
    const report = await measure({ closers, events, full, progress: (step) => process.stderr.write(`${step}\n`) })
    printReport(report, json)
    if (report.missed === undefined) return
    process.stderr.write(`${report.missed}\n`)
    process.exitCode = 1
  } finally {
    await closers.closeAll()
  }
}
