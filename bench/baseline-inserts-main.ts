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
  /** No insert starts after this time. */
  readonly secondsMax: number
}

export interface BaselineResult {
  readonly rows: number
  readonly seconds: number
  readonly rssBytes: number
}

/** Run as a process by baseline-inserts.ts; ends when its parent disconnects. */
const [directory = ''] = process.argv.slice(2)
const clickhouse = await openClickHouse({ engine: 'embedded', directory })
await migrate(clickhouse)
const acquired = await acquireLease(clickhouse, HTTP_LOG)
if (acquired.status !== 'acquired') throw new Error('The log in a new directory already has an owner.')
process.on('message', async (round: BaselineRound) => process.send?.(await insertRows(clickhouse, acquired.lease, round)))
process.once('disconnect', () => clickhouse.close())
process.send?.('ready')

async function insertRows({ ingest }: ClickHouse, lease: Lease, round: BaselineRound): Promise<BaselineResult> {
  const inserts: Insert[] = []
  for (let first = 0; first < round.eventsMax; first += round.rowsPerInsert) inserts.push(insertOf(lease, round.firstEvent + first, round.rowsPerInsert))
  const started = performance.now()
  let rows = 0
  for (const insert of inserts) {
    await ingest.insert(insert)
    rows += round.rowsPerInsert
    if (performance.now() - started > round.secondsMax * 1000) break
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
