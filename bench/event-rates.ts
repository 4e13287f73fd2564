import { startBaselineInserts } from './baseline-inserts.ts'
import { runLoad } from './http-load.ts'
import { makeNdjson } from './made-events.ts'
import { mebibytes, type Report, type Run } from './report.ts'
import { type ServiceProcess, startServiceProcess } from './service-process.ts'
import { median, percentile, ratiosOfRounds } from './statistics.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

const ROUNDS = 5
/** How long each side's turn in a round is; a turn ends earlier when the events made for it are used up. */
const SIZES = [
  { size: 1, connections: [1, 16, 64], turn: { secondsMax: 1, eventsMax: 3_000 } },
  { size: 100, connections: [1, 4, 16], turn: { secondsMax: 1, eventsMax: 40_000 } },
  { size: 5_000, connections: [1, 4, 8], turn: { secondsMax: 2, eventsMax: 200_000 } },
] as const
/** As many rows as the service puts into one insert when many requests wait: what the engine can do at best. */
const LARGE_INSERTS = { size: 50_000, turn: { secondsMax: 2, eventsMax: 300_000 } }

interface Side {
  /** Events a request, or rows an insert. */
  readonly size: number
  /** 0 for the yardstick. */
  readonly connections: number
  readonly turn: { readonly secondsMax: number; readonly eventsMax: number }
  /** Per round. */
  readonly eventsPerSecond: number[]
  readonly requestSeconds: number[]
}

/** Events per second that are durable when they are acknowledged, beside straight inserts of the same rows in the same run. */
export async function measureEventRates({ closers, progress }: Run): Promise<Omit<Report, 'name'>> {
  const service = await startServiceProcess(makeTemporaryDirectory(closers), closers)
  const straight = await startBaselineInserts(closers)
  const ingestKey = await createIngestKey(service)
  const rssAtStart = await service.rssBytes()
  const sides = [...SIZES.flatMap(sidesOf), yardstickOf(LARGE_INSERTS)]
  let nextEvent = 0
  let acknowledged = 0
  let straightRss = 0
  for (let round = 0; round < ROUNDS; round += 1) {
    progress(`events, round ${round + 1} of ${ROUNDS}`)
    // Every second round backwards: what warms up or fills up in a round favours no side.
    for (const side of round % 2 === 0 ? sides : [...sides].reverse()) {
      const firstEvent = nextEvent
      nextEvent += side.turn.eventsMax
      if (side.connections === 0) {
        const { rows, seconds, rssBytes } = await straight.turn({ ...side.turn, firstEvent, rowsPerInsert: side.size })
        side.eventsPerSecond.push(rows / seconds)
        straightRss = rssBytes
      } else acknowledged += await sendTurn({ service, ingestKey, side, firstEvent })
    }
  }
  const rssAtEnd = await service.rssBytes()
  progress('recounting what was acknowledged')
  await requireAllCounted(service, acknowledged)
  await service.stop()
  return reportOf(sides, { acknowledged, rssAtStart, rssAtEnd, straightRss })
}

function sidesOf({ size, connections, turn }: (typeof SIZES)[number]): Side[] {
  const overHttp = connections.map((count) => ({ size, connections: count, turn, eventsPerSecond: [], requestSeconds: [] }))
  return [yardstickOf({ size, turn }), ...overHttp]
}

function yardstickOf({ size, turn }: Pick<Side, 'size' | 'turn'>): Side {
  return { size, connections: 0, turn, eventsPerSecond: [], requestSeconds: [] }
}

async function createIngestKey({ url, adminToken }: ServiceProcess): Promise<string> {
  const answer = await admin({ url, adminToken }, '/admin/v1/ingest-keys', { name: 'bench' })
  return (answer as { key: string }).key
}

async function admin({ url, adminToken }: Pick<ServiceProcess, 'url' | 'adminToken'>, path: string, body: unknown): Promise<unknown> {
  const headers = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' }
  const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  if (!answer.ok) throw new Error(`${path} was answered ${answer.status}: ${await answer.text()}`)
  return answer.json()
}

interface Turn {
  readonly service: ServiceProcess
  readonly ingestKey: string
  readonly side: Side
  readonly firstEvent: number
}

/** Sends for one turn and returns how many events were acknowledged. The bodies are made before the clock starts. */
async function sendTurn({ service, ingestKey, side, firstEvent }: Turn): Promise<number> {
  const { secondsMax, eventsMax } = side.turn
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

/** A rate of events that were not all counted once would be worth nothing. */
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
  readonly straightRss: number
}

function reportOf(sides: readonly Side[], totals: Totals): Omit<Report, 'name'> {
  const figures: Record<string, number> = {}
  const yardsticks = new Map(sides.filter(({ connections }) => connections === 0).map((side) => [side.size, side]))
  const rows = sides.map((side) => {
    const yardstick = yardsticks.get(side.size) ?? side
    const rate = median(side.eventsPerSecond)
    const name = side.connections === 0 ? `straight_${side.size}` : `http_${side.size}_connections_${side.connections}`
    figures[`events_${name}_per_s`] = rate
    if (side.connections === 0) return [String(side.size), 'straight insert', '', '', whole(rate), '', '']
    const ratios = ratiosOfRounds(side.eventsPerSecond, yardstick.eventsPerSecond)
    const [ratio, least, most] = [median(ratios), Math.min(...ratios), Math.max(...ratios)]
    const [p50, p99] = [percentile(side.requestSeconds, 0.5) * 1000, percentile(side.requestSeconds, 0.99) * 1000]
    Object.assign(figures, {
      [`ratio_${name}`]: ratio,
      [`ratio_${name}_least`]: least,
      [`ratio_${name}_most`]: most,
      [`request_${name}_p50_ms`]: p50,
      [`request_${name}_p99_ms`]: p99,
    })
    return [
      String(side.size),
      `HTTP, connections: ${side.connections}`,
      ratio.toFixed(2),
      `${least.toFixed(2)} to ${most.toFixed(2)}`,
      whole(rate),
      p50.toFixed(1),
      p99.toFixed(1),
    ]
  })
  const memory = { 'service at start': totals.rssAtStart, 'service after the events': totals.rssAtEnd, 'straight inserts, at the end': totals.straightRss }
  for (const [what, bytes] of Object.entries(memory)) figures[`rss_${what.replaceAll(/\W+/g, '_')}_bytes`] = bytes
  figures['acknowledged_events'] = totals.acknowledged
  return {
    notes: [
      `Events: NDJSON, ${ROUNDS} rounds in which every line below has its turn of 1 to 2 s, forwards and backwards in turn; ratios are medians of the ratios of each round. Straight inserts are sent one after another.`,
      'The ratio that has an aim, at least 0.50, is the one at 5,000 events a request.',
      `All ${totals.acknowledged} events acknowledged over HTTP were recounted from raw at the end; the rollup agrees with raw.`,
    ],
    tables: [
      {
        title: 'Events, durable when acknowledged',
        columns: ['events a request or insert', 'way in', 'ratio to straight', 'least to most of a round', 'events/s', 'p50 ms', 'p99 ms'],
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
