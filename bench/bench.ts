import { Closers } from '../service/closers.ts'
import { measureApi } from './api.ts'
import { measureHostile } from './hostile.ts'
import { measureHttp } from './http.ts'
import { measureIngest } from './ingest.ts'
import { type Measurement, printReport } from './report.ts'
import { measureTotals } from './totals.ts'

/** All measurements: `npm run bench -- <name> [--json] [--events=<n>]`. Each starts what it needs, stops it at the end and cleans up. */
const MEASUREMENTS: Record<string, { what: string; measure: Measurement }> = {
  api: { what: 'requests per second and latency of reads, compared with /healthz; the time that the api adds to its queries', measure: measureApi },
  hostile: { what: 'how long the most expensive requests of one emitter hold up everybody else', measure: measureHostile },
  http: { what: 'events per second over HTTP, compared with baseline inserts; usage latency; memory', measure: measureHttp },
  ingest: { what: "events per second from Kafka, compared with ClickHouse's Kafka engine; duplicates; recovery after a kill; latency", measure: measureIngest },
  totals: { what: 'partnership usage compared with the plain computation, audit, closing and exports, for 20,000 projects', measure: measureTotals },
}

const names = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const flags = process.argv.slice(2).filter((argument) => argument.startsWith('--'))
const chosen = names.length === 1 ? MEASUREMENTS[names[0] ?? ''] : undefined
const events = flags.map((flag) => /^--events=(\d+)$/.exec(flag)?.[1]).find((count) => count !== undefined)
if (chosen === undefined || flags.some((flag) => flag !== '--json' && !/^--events=\d+$/.test(flag))) {
  const list = Object.entries(MEASUREMENTS).map(([name, { what }]) => `  ${name}  ${what}`)
  process.stderr.write(`usage: npm run bench -- <measurement> [--json] [--events=<n>]\n\nMeasurements:\n${list.join('\n')}\n`)
  process.exitCode = 1
} else {
  await run(chosen.measure, { json: flags.includes('--json'), events: events === undefined ? undefined : Number(events) })
}

async function run(measure: Measurement, { json, events }: { json: boolean; events: number | undefined }): Promise<void> {
  const closers = new Closers()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => closers.closeAll().finally(() => process.exit(1)))
  }
  try {
    const report = await measure({ closers, events, progress: (step) => process.stderr.write(`${step}\n`) })
    printReport(report, json)
  } finally {
    await closers.closeAll()
  }
}
