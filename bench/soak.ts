import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { startClickHouseServer } from '../test/support/engines/clickhouse-server.ts'
import { type BenchTopic, openBenchTopic, variablesOf } from './bench-topic.ts'
import { mebibytes, type Report, type Run } from './report.ts'
import { startServiceProcess } from './service-process.ts'
import { SoakStore, type StoredTable } from './soak-store.ts'
import { median } from './statistics.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

const EVENTS = 50_000_000
const EVENTS_PER_ROUND = 1_000_000
const ROUNDS_MIN = 6
/** Two months of usage. */
const DAYS = 60
/** Of every hundred events of a round, so many are sent again: half of them recent ones, half from anywhere before. */
const REDELIVERED_PERCENT = 10
const RATIO_MIN = 0.8
const SECONDS_MAX = 1_800
const POLL_MS = 250

interface Round {
  readonly eventsPerSecond: number
  readonly cpuSecondsPerMillion: number
  readonly serviceBytesMax: number
  readonly storeBytes: number
  /** From starting a process until it has counted an event; after a kill its group must first notice that. */
  readonly resumeSeconds: number
}

interface Soak {
  readonly run: Run
  readonly topic: BenchTopic
  readonly store: SoakStore
  readonly environment: Readonly<Record<string, string>>
  readonly directory: string
  readonly eventsPerRound: number
  readonly eventsPerDay: number
}

/**
 * Counts millions of events in rounds. Each round produces new events and old ones again, and then starts a process, kills it when
 * half is counted, and starts another one, which is stopped at the end. The rate is that of both while they count.
 */
export async function measureSoak(run: Run): Promise<Report> {
  const events = run.events ?? EVENTS
  const rounds = Math.max(ROUNDS_MIN, Math.round(events / EVENTS_PER_ROUND))
  const soak = await open(run, { eventsPerRound: Math.ceil(events / rounds), eventsPerDay: Math.ceil(events / DAYS) })
  const measured: Round[] = []
  let tablesAtStart: readonly StoredTable[] = []
  for (let round = 0; round < rounds; round += 1) {
    measured.push(await runRound(soak, round))
    const { eventsPerSecond, resumeSeconds, serviceBytesMax } = measured.at(-1) as Round
    run.progress(
      `round ${round + 1} of ${rounds}: ${Math.round(eventsPerSecond)} events/s, ${resumeSeconds.toFixed(1)} s to resume, ${mebibytes(serviceBytesMax)} MiB`,
    )
    if (round === 0) tablesAtStart = await soak.store.tables()
  }
  await soak.store.requireCounted(soak.eventsPerRound * rounds)
  return reportOf(soak, measured, { atStart: tablesAtStart, atEnd: await soak.store.tables() })
}

async function open(run: Run, sizes: Pick<Soak, 'eventsPerRound' | 'eventsPerDay'>): Promise<Soak> {
  const topic = await openBenchTopic(run.closers)
  const directory = makeTemporaryDirectory(run.closers)
  const server = await startClickHouseServer({ dataDir: join(directory, 'clickhouse') })
  run.closers.add(() => server.kill())
  const url = `${server.url}/soak`
  const environment = {
    CLICKHOUSE_URL: url,
    ...variablesOf(topic),
    ADMIN_TOKEN: randomBytes(24).toString('hex'),
    MASTER_KEY: randomBytes(32).toString('base64'),
  }
  return { run, topic, directory, environment, store: new SoakStore(url), ...sizes }
}

async function runRound(soak: Soak, round: number): Promise<Round> {
  const { topic, store, eventsPerRound, eventsPerDay } = soak
  const first = round * eventsPerRound
  const total = first + eventsPerRound
  const redelivered = round === 0 ? 0 : Math.floor((eventsPerRound * REDELIVERED_PERCENT) / 200)
  const quarter = Math.floor(eventsPerRound / 4)
  await topic.fill(quarter, { first, eventsPerDay })
  await topic.fill(redelivered, { first: first - redelivered, eventsPerDay })
  // Multiplying spreads the rounds evenly over what there is.
  await topic.fill(redelivered, { first: Math.floor(((round * 0.618) % 1) * (first - redelivered)), eventsPerDay })
  await topic.fill(eventsPerRound - quarter, { first: first + quarter, eventsPerDay })
  const killed = await countUntil(soak, { from: first, through: first + eventsPerRound / 2 })
  await killed.service.kill()
  const stopped = await countUntil(soak, { from: killed.counted, through: total })
  const storeBytes = await store.memoryBytes()
  await stopped.service.stop()
  const spans = [killed, stopped]
  const sum = (figure: 'events' | 'seconds' | 'cpuSeconds') => spans.reduce((all, span) => all + span[figure], 0)
  return {
    eventsPerSecond: sum('events') / sum('seconds'),
    cpuSecondsPerMillion: (sum('cpuSeconds') / eventsPerRound) * 1e6,
    serviceBytesMax: Math.max(...spans.map(({ bytesMax }) => bytesMax)),
    storeBytes,
    resumeSeconds: Math.max(...spans.map(({ resumeSeconds }) => resumeSeconds)),
  }
}

/** Starts a process and waits until so many events are counted in all, and nothing is left if that is all of them. */
async function countUntil(soak: Soak, { from, through }: { from: number; through: number }) {
  const startedMs = performance.now()
  const service = await startServiceProcess(soak.directory, soak.run.closers, { environment: soak.environment })
  let counted = from
  const reached = async (events: number) => {
    counted = await soak.store.counted()
    return counted >= events
  }
  await until(() => reached(from + 1))
  const [resumedMs, countedAtFirst] = [performance.now(), counted]
  let bytesMax = 0
  await until(async () => {
    bytesMax = Math.max(bytesMax, (await service.metrics()).get('process_resident_memory_bytes') ?? 0)
    return reached(through)
  })
  const seconds = (performance.now() - resumedMs) / 1000
  const cpuSeconds = (await service.metrics()).get('process_cpu_seconds_total') ?? Number.NaN
  return { service, counted, events: counted - countedAtFirst, seconds, cpuSeconds, bytesMax, resumeSeconds: (resumedMs - startedMs) / 1000 }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const startedMs = performance.now()
  while (!(await condition())) {
    if (performance.now() - startedMs > SECONDS_MAX * 1000) throw new Error(`A round of the soak did not go on within ${SECONDS_MAX} s.`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

function reportOf(soak: Soak, rounds: readonly Round[], tables: { atStart: readonly StoredTable[]; atEnd: readonly StoredTable[] }): Report {
  // The first round warms up: its look-ups find an empty store.
  const quarter = Math.max(2, Math.floor(rounds.length / 4))
  const [start, end] = [rounds.slice(1, 1 + quarter), rounds.slice(-quarter)]
  const of = (each: readonly Round[], figure: keyof Round) => median(each.map((round) => round[figure]))
  const ratio = of(end, 'eventsPerSecond') / of(start, 'eventsPerSecond')
  const row = (what: string, figure: keyof Round, text: (value: number) => string) => [what, text(of(start, figure)), text(of(end, figure))]
  const whole = (value: number) => Math.round(value).toLocaleString('en-US')
  const before = new Map(tables.atStart.map((table) => [table.name, table]))
  return {
    name: 'soak',
    notes: [
      `${whole(soak.eventsPerRound * rounds.length)} events in ${rounds.length} rounds over ${DAYS} days of usage, and ${REDELIVERED_PERCENT} % of each round sent again. ClickHouse is a server. One process in each round is killed, another one stopped.`,
      `The start is the median of rounds 2 to ${1 + quarter}, the end that of the last ${quarter}. The aim is a ratio of at least ${RATIO_MIN}. At the end every event is in raw once, and the rollup has all of them.`,
    ],
    tables: [
      {
        title: 'Start and end',
        columns: ['figure', 'start', 'end'],
        rows: [
          ['ratio of the rates, end to start', '', ratio.toFixed(2)],
          row('events/s while a process counts', 'eventsPerSecond', whole),
          row('CPU s of the service per million events', 'cpuSecondsPerMillion', (value) => value.toFixed(1)),
          row('s from starting a process until it counts', 'resumeSeconds', (value) => value.toFixed(1)),
          row('MiB of the service, highest', 'serviceBytesMax', mebibytes),
          row('MiB that ClickHouse tracks', 'storeBytes', mebibytes),
        ],
      },
      {
        title: 'Tables, after the first round and at the end',
        columns: ['table', 'rows', 'rows at the end', 'parts', 'parts at the end', 'MiB at the end'],
        rows: tables.atEnd.map(({ name, rows, parts, bytes }) => [
          name,
          whole(before.get(name)?.rows ?? 0),
          whole(rows),
          whole(before.get(name)?.parts ?? 0),
          whole(parts),
          (bytes / 1024 ** 2).toFixed(1),
        ]),
      },
    ],
    figures: {
      ratio_soak_end_start: ratio,
      start_events_per_second: of(start, 'eventsPerSecond'),
      end_events_per_second: of(end, 'eventsPerSecond'),
      end_resume_seconds: of(end, 'resumeSeconds'),
      end_service_bytes: of(end, 'serviceBytesMax'),
    },
    missed: ratio < RATIO_MIN ? `The end is slower than the start: ${ratio.toFixed(2)} of its rate instead of at least ${RATIO_MIN}.` : undefined,
  }
}
