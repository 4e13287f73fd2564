import { HTTP_LOG } from '../ingest/http/http-log.ts'
import { type ClickHouse, openClickHouse } from '../sql/clickhouse.ts'
import { acquireLease, type Lease } from '../sql/lease.ts'
import { readMigrations } from '../sql/migrate.ts'
import { row } from '../sql/tab-separated.ts'
import { makeEvent } from './made-events.ts'
import { median, ratiosOfRounds } from './statistics.ts'

export interface IndexPrice {
  /** Rows per second with the index divided by rows per second without it, of inserts of 50,000 rows: the median of the rounds. */
  readonly ratio: number
  readonly cpuMicrosecondsPerEvent: { readonly without: number; readonly with: number }
}

const ROUNDS = 5
const INSERTS = 4
const ROWS = 50_000
/** Beyond all other events of the measurement. */
const FIRST_EVENT = 1_000_000_000
const VIEW = 'identity_hashes_mv_v1'
const COLUMNS = ['project_id', 'event_id', 'metric', 'timestamp_ms', 'value', 'received_ms', 'offset', 'log', 'epoch', 'owner']

/** Inserts the same batches with and without the view that feeds the index, by turns. */
export async function measureIndexPrice(directory: string): Promise<IndexPrice> {
  const clickhouse = await openClickHouse({ engine: 'embedded', directory })
  try {
    return await alternate(clickhouse)
  } finally {
    await clickhouse.close()
  }
}

async function alternate(clickhouse: ClickHouse): Promise<IndexPrice> {
  const { control } = clickhouse
  const acquired = await acquireLease(clickhouse, HTTP_LOG)
  if (acquired.status !== 'acquired') throw new Error('The log has another owner.')
  const statement = (await readMigrations()).flatMap(({ statements }) => statements).find((each) => each.includes(`VIEW IF NOT EXISTS ${VIEW} `))
  if (statement === undefined) throw new Error(`No migration creates ${VIEW}.`)
  const sides = { without: { rates: [] as number[], cpu: [] as number[] }, with: { rates: [] as number[], cpu: [] as number[] } }
  let next = FIRST_EVENT
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const side of round % 2 === 0 ? (['without', 'with'] as const) : (['with', 'without'] as const)) {
      await control.command(side === 'with' ? statement : `DROP VIEW IF EXISTS ${VIEW}`)
      const { rate, cpuMicroseconds } = await insertRound(clickhouse, acquired.lease, next)
      next += INSERTS * ROWS
      sides[side].rates.push(rate)
      sides[side].cpu.push(cpuMicroseconds)
    }
  }
  return {
    ratio: median(ratiosOfRounds(sides.with.rates, sides.without.rates)),
    cpuMicrosecondsPerEvent: { without: median(sides.without.cpu), with: median(sides.with.cpu) },
  }
}

async function insertRound({ ingest }: ClickHouse, lease: Lease, firstOffset: number): Promise<{ rate: number; cpuMicroseconds: number }> {
  const texts = Array.from({ length: INSERTS }, (_, index) => rowsOf(lease, firstOffset + index * ROWS))
  const cpu = process.cpuUsage()
  const startedMs = performance.now()
  for (const text of texts) await ingest.insert({ table: 'usage_events_inbox_v1', columns: COLUMNS, text })
  const seconds = (performance.now() - startedMs) / 1000
  const { user, system } = process.cpuUsage(cpu)
  return { rate: (INSERTS * ROWS) / seconds, cpuMicroseconds: (user + system) / (INSERTS * ROWS) }
}

function rowsOf({ name: log, epoch, owner }: Lease, first: number): string {
  let text = ''
  for (let number = first; number < first + ROWS; number += 1) {
    const { project_id, event_id, metric, timestamp, value } = makeEvent(number)
    text += row([project_id, event_id, metric, Date.parse(timestamp), value, 0, number, log, epoch, owner])
  }
  return text
}
