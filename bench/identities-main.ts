import { z } from 'zod'
import { HTTP_LOG, openHttpLog } from '../ingest/http/http-log.ts'
import { FilterScans } from '../ingest/log/filter-scans.ts'
import { FilterBudget, IdentityFilter } from '../ingest/log/identity-filter.ts'
import type { Identity } from '../ingest/log/look-up.ts'
import { repairRollup } from '../ingest/log/reconcile.ts'
import { findStoredEvents } from '../ingest/log/stored-events.ts'
import { type ClickHouse, type Lane, openClickHouse } from '../sql/clickhouse.ts'
import { acquireLease, type Lease } from '../sql/lease.ts'
import { migrate } from '../sql/migrate.ts'
import { defineQuery } from '../sql/query.ts'
import { queryOne } from '../sql/query-one.ts'
import { row } from '../sql/tab-separated.ts'
import { forkedTask, sendResult } from './forked-task.ts'
import { generateEvents, SPREAD, storeSpreadBatch } from './identities-generate.ts'
import { type IndexPrice, measureIndexPrice } from './identities-price.ts'
import { measureStart, type StartFigures } from './identities-start.ts'
import { median } from './statistics.ts'

export interface IdentitiesTask {
  readonly directory: string
  readonly events: number
}

export const LOOK_UPS = [100, 1_000, 10_000, 40_000] as const
export const KINDS = ['absent', 'of one day', 'of all months'] as const

export interface LookUpTime {
  readonly kind: (typeof KINDS)[number]
  readonly identities: number
  readonly indexedMs: number
  /** Measured for the largest look-up of each kind only, because it takes long. */
  readonly rawMs: number | undefined
}

export interface IdentitiesFigures {
  readonly lookUps: readonly LookUpTime[]
  readonly fill: { readonly seconds: number; readonly cpuSeconds: number; readonly identities: number }
  readonly reconcile: { readonly wholeMs: number; readonly tornMs: number; readonly keysRepaired: number }
  readonly start: StartFigures
  readonly price: IndexPrice
  readonly bytesPerEvent: Readonly<Record<string, number>>
}

async function measure({ directory, events }: IdentitiesTask): Promise<IdentitiesFigures> {
  const clickhouse = await openClickHouse({ engine: 'embedded', directory })
  let rest: Omit<IdentitiesFigures, 'start' | 'price'>
  try {
    await migrate(clickhouse)
    await completeIndex(clickhouse)
    await generateEvents(clickhouse, events)
    const bytesPerEvent = await readBytesPerEvent(clickhouse)
    const lookUps = await measureLookUps(clickhouse, events)
    const fill = await measureFill(clickhouse, events)
    const reconcile = await measureReconcile(clickhouse, events)
    rest = { lookUps, fill, reconcile, bytesPerEvent }
  } finally {
    await clickhouse.close()
  }
  const start = await measureStart(directory)
  return { ...rest, start, price: await measureIndexPrice(directory) }
}

async function completeIndex(clickhouse: ClickHouse): Promise<void> {
  const log = await openHttpLog({ clickhouse, logger: { info: () => {}, warn: () => {}, error: () => {} }, onLost: () => {} })
  while (log.stats().logs[0]?.filterComplete !== true) await new Promise((resolve) => setImmediate(resolve))
  await log.stop()
}

async function measureLookUps({ reads }: ClickHouse, events: number): Promise<LookUpTime[]> {
  const times: LookUpTime[] = []
  for (const kind of KINDS) {
    for (const identities of LOOK_UPS) {
      const chosen = await readIdentities(reads, { kind, identities, events })
      const find = (indexed: boolean) => timed(() => findStoredEvents({ lane: reads, catalogue: reads, indexed, secondsMax: 600 }, chosen))
      const indexedMs = median([await find(true), await find(true), await find(true)])
      times.push({ kind, identities, indexedMs, rawMs: identities === LOOK_UPS.at(-1) ? await find(false) : undefined })
    }
  }
  return times
}

async function readIdentities(
  reads: ClickHouse['reads'],
  { kind, identities, events }: { kind: (typeof KINDS)[number]; identities: number; events: number },
): Promise<Identity[]> {
  const rows = await reads.query(kind === 'absent' ? absentIdentities : storedIdentities, {
    identities,
    first: kind === 'of one day' ? events - Math.max(identities, 70_000) : 0,
    step: kind === 'of one day' ? 1 : Math.floor(events / identities),
  })
  return rows.map(({ project_id, event_id }) => [project_id, event_id])
}

const Chosen = z.object({ identities: z.number(), first: z.number(), step: z.number() })
const IdentityRow = z.object({ project_id: z.string(), event_id: z.string() })

const absentIdentities = defineQuery({
  name: 'bench_absent_identities',
  sql: `SELECT concat('project-', toString(number % 5000)) AS project_id, toString(generateUUIDv4()) AS event_id FROM numbers({identities: UInt64})`,
  params: Chosen,
  row: IdentityRow,
})

const storedIdentities = defineQuery({
  name: 'bench_stored_identities',
  sql: `SELECT project_id, event_id FROM raw_usage_events_v1
        WHERE bitNot(rank) IN (SELECT {first: UInt64} + number * {step: UInt64} FROM numbers({identities: UInt64}))`,
  params: Chosen,
  row: IdentityRow,
  settings: { max_execution_time: 600 },
})

async function measureFill({ reads }: ClickHouse, events: number): Promise<IdentitiesFigures['fill']> {
  const filter = new IdentityFilter({ identitiesExpected: events * 1.1, budget: new FilterBudget(1024 ** 3) })
  const cpu = process.cpuUsage()
  const ms = await timed(() => new FilterScans(reads).fill({ filter, scope: { partition: 0, partitions: 1 }, signal: new AbortController().signal }))
  const { user, system } = process.cpuUsage(cpu)
  return { seconds: ms / 1000, cpuSeconds: (user + system) / 1e6, identities: filter.identities }
}

/** A batch of 40,000 events of all months: first one that is whole, then one whose rollup is missing. */
async function measureReconcile(clickhouse: ClickHouse, events: number): Promise<IdentitiesFigures['reconcile']> {
  const acquired = await acquireLease(clickhouse, HTTP_LOG)
  if (acquired.status !== 'acquired') throw new Error('The log has another owner.')
  const { ingest } = clickhouse
  await storeSpreadBatch(clickhouse, { first: events, withRollup: true })
  const wholeMs = await timed(() => repairRollup(ingest, acquired.lease, { first: events, through: events + SPREAD - 1 }))
  await storeSpreadBatch(clickhouse, { first: events + SPREAD, withRollup: false })
  let keysRepaired = 0
  const tornMs = await timed(async () => {
    keysRepaired = await repairRollup(ingest, acquired.lease, { first: events + SPREAD, through: events + 2 * SPREAD - 1 })
  })
  await writePosition(ingest, acquired.lease, { first: events + SPREAD, through: events + 2 * SPREAD - 1 })
  return { wholeMs, tornMs, keysRepaired }
}

/** The next owner finds this range in doubt. */
async function writePosition(lane: Lane, { name, epoch, owner }: Lease, { first, through }: { first: number; through: number }): Promise<void> {
  await lane.insert({
    table: 'log_positions_inbox_v1',
    columns: ['log', 'epoch', 'owner', 'first', 'through'],
    text: row([name, epoch, owner, first, through]),
  })
}

async function readBytesPerEvent({ reads }: ClickHouse): Promise<Record<string, number>> {
  const { events } = await queryOne(reads, storedEvents, {})
  const rows = await reads.query(tableBytes, {})
  return Object.fromEntries(rows.map(({ table, bytes }) => [table, bytes / events]))
}

const storedEvents = defineQuery({
  name: 'bench_stored_events',
  sql: 'SELECT count() AS events FROM raw_usage_events_v1',
  params: z.object({}),
  row: z.object({ events: z.coerce.number() }),
})

const tableBytes = defineQuery({
  name: 'bench_table_bytes',
  sql: `SELECT table, sum(bytes_on_disk) AS bytes FROM system.parts
        WHERE active AND database = currentDatabase() AND table IN ('raw_usage_events_v1', 'identity_hashes_v1') GROUP BY table ORDER BY table`,
  params: z.object({}),
  row: z.object({ table: z.string(), bytes: z.coerce.number() }),
})

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now()
  await work()
  return performance.now() - startedMs
}

/** Run as a process by identities.ts, because a process can open only one directory. */
if (process.send !== undefined) sendResult(await measure(forkedTask<IdentitiesTask>()))
