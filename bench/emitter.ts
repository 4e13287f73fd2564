import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { bundleEntry, ENTRIES } from '../emitter/bundle.ts'
import type { EmitterResult, EmitterTask, Way } from './emitter-main.ts'
import { runForked } from './forked-task.ts'
import { type Report, type Run, roundsOf, type Table } from './report.ts'
import { startServiceProcess } from './service-process.ts'
import { median, ratiosOfRounds } from './statistics.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

const ROUNDS = 5
const EVENTS_PER_REQUEST = 1_000
const CONNECTIONS = 2
const EVENTS_DEFAULT = 50_000
const WAYS: Record<Way, string> = {
  bare: 'bare client: node:http, bodies prepared before',
  fetch: 'bare client: fetch, bodies prepared before',
  emitter: 'emitter',
  spool: 'emitter with the spool',
}
const MAIN = fileURLToPath(new URL('./emitter-main.ts', import.meta.url))

/** Measures events per second through the emitter SDK, compared with a bare HTTP client in the same round; CPU per event; sizes of the bundles. */
export async function measureEmitter(run: Run): Promise<Report> {
  const { closers, progress, events = EVENTS_DEFAULT } = run
  const rounds = roundsOf(run, ROUNDS)
  const service = await startServiceProcess(makeTemporaryDirectory(closers), closers)
  const key = await createIngestKey(service)
  const folder = makeTemporaryDirectory(closers)
  const ways = Object.keys(WAYS) as Way[]
  const results = new Map<Way, EmitterResult[]>(ways.map((way) => [way, []]))
  const task = {
    url: service.url,
    key,
    events: Math.ceil(events / EVENTS_PER_REQUEST) * EVENTS_PER_REQUEST,
    eventsPerRequest: EVENTS_PER_REQUEST,
    connections: CONNECTIONS,
  }
  let first = 0
  for (let round = 0; round < rounds; round += 1) {
    progress(`emitter, round ${round + 1} of ${rounds}`)
    // Every second round runs in reverse order, so that caches and growing tables favour no side.
    for (const way of round % 2 === 0 ? ways : [...ways].reverse()) {
      const each: EmitterTask = { ...task, way, first, folder: join(folder, String(round)) }
      results.get(way)?.push(await runForked<EmitterTask, EmitterResult>(MAIN, each, closers))
      first += task.events
    }
  }
  const rates = tableOfRates(results, task.events)
  const sizes = await tableOfSizes()
  return {
    name: 'emitter',
    notes: [
      `Each way sends ${task.events} events per round, ${EVENTS_PER_REQUEST} per request and ${CONNECTIONS} requests at a time, in a process of its own. The service is another process on the same cores, with the embedded engine and fsync.`,
      'The bodies of the bare clients are prepared before the clock starts; the emitter builds them. The ratio is the median over the rounds of the way divided by node:http of the same round. CPU is that of the sending process only.',
    ],
    tables: [rates.table, sizes.table],
    figures: { ...rates.figures, ...sizes.figures },
  }
}

function tableOfRates(results: ReadonlyMap<Way, readonly EmitterResult[]>, events: number): { table: Table; figures: Record<string, number> } {
  const figures: Record<string, number> = {}
  const ratesOf = (way: Way) => (results.get(way) ?? []).map(({ seconds }) => events / seconds)
  const rows = [...results].map(([way, ofWay]) => {
    const ratios = ratiosOfRounds(ratesOf(way), ratesOf('bare'))
    const rate = median(ratesOf(way))
    const cpuMicroseconds = (median(ofWay.map(({ cpuSeconds }) => cpuSeconds)) / events) * 1e6
    Object.assign(figures, { [`ratio_emitter_${way}`]: median(ratios), [`events_${way}_per_s`]: rate, [`cpu_${way}_us`]: cpuMicroseconds })
    const spread = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`
    return [WAYS[way], median(ratios).toFixed(2), spread, Math.round(rate).toLocaleString('en-US'), cpuMicroseconds.toFixed(1)]
  })
  return {
    table: { title: 'Events through the emitter', columns: ['way', 'ratio to node:http', 'lowest to highest', 'events/s', 'CPU µs/event'], rows },
    figures,
  }
}

async function tableOfSizes(): Promise<{ table: Table; figures: Record<string, number> }> {
  const figures: Record<string, number> = {}
  const rows: string[][] = []
  for (const entry of Object.keys(ENTRIES) as (keyof typeof ENTRIES)[]) {
    const bundle = await bundleEntry(entry)
    const gzipBytes = gzipSync(bundle, { level: 9 }).length
    Object.assign(figures, { [`bundle_${entry}_bytes`]: Buffer.byteLength(bundle), [`bundle_${entry}_gzip_bytes`]: gzipBytes })
    rows.push([entry === 'emitter' ? '@meterline/emitter' : `@meterline/emitter/${entry}`, String(Buffer.byteLength(bundle)), String(gzipBytes)])
  }
  return { table: { title: 'Bundles', columns: ['entry', 'bytes, minified', 'bytes after gzip'], rows }, figures }
}

async function createIngestKey({ url, adminToken }: { url: string; adminToken: string }): Promise<string> {
  const headers = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' }
  const answer = await fetch(`${url}/admin/v1/ingest-keys`, { method: 'POST', headers, body: JSON.stringify({ name: 'bench' }) })
  if (!answer.ok) throw new Error(`The ingest key was not created: ${await answer.text()}`)
  return ((await answer.json()) as { key: string }).key
}
