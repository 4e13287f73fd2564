import { HTTP_LOG } from '../ingest/http/http-log.ts'
import { type ClickHouse, type Insert, openClickHouse } from '../sql/clickhouse.ts'
import { acquireLease, type Lease } from '../sql/lease.ts'
import { migrate } from '../sql/migrate.ts'
import { row } from '../sql/tab-separated.ts'
import { makeEvent } from './made-events.ts'

export interface BaselineRound {
  readonly firstEvent: number
  readonly eventsMax: number
  readonly rowsPerInsert: number
  /** No insert is begun after this time. */
  readonly secondsMax: number
}

export interface BaselineRoundDone {
  readonly rows: number
  readonly seconds: number
  readonly rssBytes: number
}

/** Run as a process by baseline-inserts.ts; ends when that one lets go. */
const [directory = ''] = process.argv.slice(2)
const clickhouse = await openClickHouse({ engine: 'embedded', directory })
await migrate(clickhouse)
const taken = await acquireLease(clickhouse, HTTP_LOG)
if (taken.status !== 'acquired') throw new Error('The log of a new directory has an owner.')
process.on('message', async (turn: BaselineRound) => process.send?.(await insertStraight(clickhouse, taken.lease, turn)))
process.once('disconnect', () => clickhouse.close())
process.send?.('ready')

async function insertStraight({ ingest }: ClickHouse, ownership: Lease, turn: BaselineRound): Promise<BaselineRoundDone> {
  const inserts: Insert[] = []
  for (let first = 0; first < turn.eventsMax; first += turn.rowsPerInsert) inserts.push(insertOf(ownership, turn.firstEvent + first, turn.rowsPerInsert))
  const started = performance.now()
  let rows = 0
  for (const insert of inserts) {
    await ingest.insert(insert)
    rows += turn.rowsPerInsert
    if (performance.now() - started > turn.secondsMax * 1000) break
  }
  return { rows, seconds: (performance.now() - started) / 1000, rssBytes: process.memoryUsage.rss() }
}

const COLUMNS = ['project_id', 'event_id', 'metric', 'timestamp_ms', 'value', 'received_ms', 'offset', 'log', 'epoch', 'owner']

function insertOf({ name: log, epoch, owner }: Lease, firstEvent: number, rows: number): Insert {
  const receivedMs = Date.now()
  let text = ''
  for (let number = firstEvent; number < firstEvent + rows; number += 1) {
    const { project_id, event_id, metric, timestamp, value } = makeEvent(number)
    text += row([project_id, event_id, metric, Date.parse(timestamp), value, receivedMs, number, log, epoch, owner])
  }
  return { table: 'usage_events_inbox_v1', columns: COLUMNS, text }
}
