import { startBaselineInserts } from './baseline-inserts.ts'
import { runLoad } from './http-load.ts'
import { makeNdjson } from './made-events.ts'
import { mebibytes, type Report, type Run, roundsOf } from './report.ts'
import { type ServiceProcess, startServiceProcess } from './service-process.ts'
import { median, percentile, ratiosOfRounds } from './statistics.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

const ROUNDS = 5
/** `slot` limits how long each side runs within a round; it ends earlier when the events prepared for it are used up. */
const SIZES = [
  { size: 1, connections: [1, 16, 64], slot: { secondsMax: 1, eventsMax: 3_000 } },
  { size: 100, connections: [1, 4, 16], slot: { secondsMax: 1, eventsMax: 40_000 } },
  { size: 5_000, connections: [1, 4, 8], slot: { secondsMax: 2, eventsMax: 200_000 } },
] as const
/** As many rows as the service writes in one insert when many requests wait: the most that the engine can do. */
const LARGE_INSERTS = { size: 50_000, slot: { secondsMax: 2, eventsMax: 300_000 } }

interface Side {
  /** Events per request, or rows per insert. */
  readonly size: number
  /** 0 for the baseline. */
  readonly connections: number
  readonly slot: { readonly secondsMax: number; readonly eventsMax: number }
  /** Per round. */
  readonly eventsPerSecond: number[]
  readonly requestSeconds: number[]
}

/** Measures events per second, each durable when acknowledged, and compares them with baseline inserts of the same rows in the same run. */
export async function measureEventRates(run: Run): Promise<Omit<Report, 'name'>> {
  const { closers, progress } = run
  const rounds = roundsOf(run, ROUNDS)
  const service = await startServiceProcess(makeTemporaryDirectory(closers), closers)
  const baseline = await startBaselineInserts(closers)
  const ingestKey = await createIngestKey(service)
  const rssAtStart = await service.rssBytes()
  const sides = [...SIZES.flatMap(sidesOf), baselineOf(LARGE_INSERTS)]
  let nextEvent = 0
  let acknowledged = 0
  let baselineRss = 0
  for (let round = 0; round < rounds; round += 1) {
    progress(`events, round ${round + 1} of ${rounds}`)
    // Every second round runs in reverse order, so that caches and growing tables favour no side.
    for (const side of round % 2 === 0 ? sides : [...sides].reverse()) {
      const firstEvent = nextEvent
      nextEvent += side.slot.eventsMax
      if (side.connections === 0) {
        const { rows, seconds, rssBytes } = await baseline.run({ ...side.slot, firstEvent, rowsPerInsert: side.size })
        side.eventsPerSecond.push(rows / seconds)
        baselineRss = rssBytes
      } else acknowledged += await sendSlot({ service, ingestKey, side, firstEvent })
    }
  }
  const rssAtEnd = await service.rssBytes()
  progress('recounting the acknowledged events')
  await requireAllCounted(service, acknowledged)
  await service.stop()
  return reportOf(sides, { acknowledged, rssAtStart, rssAtEnd, baselineRss })
}

function sidesOf({ size, connections, slot }: (typeof SIZES)[number]): Side[] {
  const overHttp = connections.map((count) => ({ size, connections: count, slot, eventsPerSecond: [], requestSeconds: [] }))
  return [baselineOf({ size, slot }), ...overHttp]
}

function baselineOf({ size, slot }: Pick<Side, 'size' | 'slot'>): Side {
  return { size, connections: 0, slot, eventsPerSecond: [], requestSeconds: [] }
}

async function createIngestKey({ url, adminToken }: ServiceProcess): Promise<string> {
  const answer = await admin({ url, adminToken }, '/admin/v1/ingest-keys', { name: 'bench' })
  return (answer as { key: string }).key
}

async function admin({ url, adminToken }: Pick<ServiceProcess, 'url' | 'adminToken'>, path: string, body: unknown): Promise<unknown> {
  const headers = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' }
  const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  if (!answer.ok) throw new Error(`${path} failed with status ${answer.status}: ${await answer.text()}`)
  return answer.json()
}

interface HttpSlot {
  readonly service: ServiceProcess
  readonly ingestKey: string
  readonly side: Side
  readonly firstEvent: number
}

/** Sends requests for one slot and returns how many events were acknowledged. The bodies are prepared before the clock starts. */
async function sendSlot({ service, ingestKey, side, firstEvent }: HttpSlot): Promise<number> {
  const { secondsMax, eventsMax } = side.slot
  const url = new URL('/v1/events', service.url)
  const headers = { authorization: `Bearer ${ingestKey}`, 'content-type': 'application/x-ndjson' }
  const requests = Array.from({ length: eventsMax / side.size }, (_, index) => {
    return { method: 'POST' as const, url, headers, body: makeNdjson(firstEvent + index * side.size, side.size) }
  })
  const { seconds, answers } = await runLoad({ connections: side.connections, secondsMax, requests })
  for (const { body } of answers) {
    const { accepted } = JSON.parse(body.toString('utf8')) as { accepted: number }
    if (accepted !== side.size) throw new Error(`${accepted} of ${side.size} events were accepted: ${body.toString('utf8').slice(0, 500)}`)
  }
  const events = answers.length * side.size
  side.eventsPerSecond.push(events / seconds)
  side.requestSeconds.push(...answers.map((answer) => answer.seconds))
  return events
}

/** Throws unless every acknowledged event is counted exactly once: otherwise the rate would be meaningless. */
async function requireAllCounted(service: ServiceProcess, acknowledged: number): Promise<void> {
  const audit = (await admin(service, '/admin/v1/audits', {})) as { events_recounted: number; differences: unknown[] }
  if (audit.events_recounted !== acknowledged || audit.differences.length > 0) {
    throw new Error(
      `${acknowledged} events were acknowledged, ${audit.events_recounted} are in raw, and ${audit.differences.length} keys of the rollup differ.`,
    )
  }
}

interface Totals {
  readonly acknowledged: number
  readonly rssAtStart: number
  readonly rssAtEnd: number
  readonly baselineRss: number
}

function reportOf(sides: readonly Side[], totals: Totals): Omit<Report, 'name'> {
  const figures: Record<string, number> = {}
  const baselines = new Map(sides.filter(({ connections }) => connections === 0).map((side) => [side.size, side]))
  const rows = sides.map((side) => {
    const baseline = baselines.get(side.size) ?? side
    const rate = median(side.eventsPerSecond)
    const name = side.connections === 0 ? `baseline_${side.size}` : `http_${side.size}_connections_${side.connections}`
    figures[`events_${name}_per_s`] = rate
    if (side.connections === 0) return [String(side.size), 'baseline insert', '', '', whole(rate), '', '']
    const ratios = ratiosOfRounds(side.eventsPerSecond, baseline.eventsPerSecond)
    const [ratio, lowest, highest] = [median(ratios), Math.min(...ratios), Math.max(...ratios)]
    const [p50, p99] = [percentile(side.requestSeconds, 0.5) * 1000, percentile(side.requestSeconds, 0.99) * 1000]
    Object.assign(figures, {
      [`ratio_${name}`]: ratio,
      [`ratio_${name}_least`]: lowest,
      [`ratio_${name}_most`]: highest,
      [`request_${name}_p50_ms`]: p50,
      [`request_${name}_p99_ms`]: p99,
    })
    return [
      String(side.size),
      `HTTP, connections: ${side.connections}`,
      ratio.toFixed(2),
      `${lowest.toFixed(2)} to ${highest.toFixed(2)}`,
      whole(rate),
      p50.toFixed(1),
      p99.toFixed(1),
    ]
  })
  Object.assign(figures, {
    rss_service_at_start_bytes: totals.rssAtStart,
    rss_service_after_the_events_bytes: totals.rssAtEnd,
    rss_baseline_inserts_at_the_end_bytes: totals.baselineRss,
  })
  const memory = { 'service at start': totals.rssAtStart, 'service after the events': totals.rssAtEnd, 'baseline inserts, at the end': totals.baselineRss }
  figures['acknowledged_events'] = totals.acknowledged
  return {
    notes: [
      `Events: NDJSON, ${sides[0]?.eventsPerSecond.length} rounds in which every line below runs for 1 to 2 s, every second round in reverse order; ratios are medians of the ratios of each round. Baseline inserts are sent one after another.`,
      'The aim is a ratio of at least 0.50 at 5,000 events per request.',
      `All ${totals.acknowledged} events acknowledged over HTTP were recounted from raw at the end; the rollup agrees with raw.`,
    ],
    tables: [
      {
        title: 'Events, durable when acknowledged',
        columns: ['events per request/insert', 'path', 'ratio to baseline', 'lowest to highest', 'events/s', 'p50 ms', 'p99 ms'],
        rows,
      },
      { title: 'Memory while events arrive', columns: ['process', 'RSS MiB'], rows: Object.entries(memory).map(([what, bytes]) => [what, mebibytes(bytes)]) },
    ],
    figures,
  }
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}
