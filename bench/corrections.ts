import { z } from 'zod'
import { readProjectUsage } from '../aggregator/usage/project-usage.ts'
import { decodeEvent } from '../ingest/event/decode-body.ts'
import { validateEvent } from '../ingest/event/pipeline.ts'
import { openHttpLog } from '../ingest/http/http-log.ts'
import { readConfig } from '../service/config.ts'
import { openStore } from '../service/open-store.ts'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { migrate } from '../sql/migrate.ts'
import { defineQuery } from '../sql/query.ts'
import type { Report, Run } from './report.ts'
import { median, percentile } from './statistics.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

const EVENTS = 1_000_000
const ROUNDS = 300
const VOIDS = 10
const DAY = '2026-01-15'
const WEEK = { first: '2026-01-10', last: '2026-01-16', end: '2026-01-17' }
const COMPLETE = { asOfMs: 0, projectsThroughMs: 0 }

/** Measures a project's usage without corrections, compared with the query that knows none, and how soon a voided peak is visible. */
export async function measureCorrections({ closers, progress, events = EVENTS }: Run): Promise<Report> {
  const config = readConfig({ DATA_DIR: makeTemporaryDirectory(closers) })
  const clickhouse = await openStore(config, { logger: { warn: (details, message) => console.error(message, details) } })
  closers.add(() => clickhouse.close())
  await migrate(clickhouse)
  progress(`corrections, storing ${events} events of one project and day`)
  await clickhouse.control.command(seed(events), 600)
  const [plain, withoutCorrections]: [number[], number[]] = [[], []]
  progress('corrections, usage without any')
  for (let round = 0; round < ROUNDS; round += 1) {
    const readPlain = () => clickhouse.reads.query(usageThatKnowsNone, { from: WEEK.first, end: WEEK.end })
    const readAsNow = () => clickhouse.reads.query(usageAsNow, { from: WEEK.first, end: WEEK.end })
    // In turns, and each first in every other round.
    const order = round % 2 === 0 ? [readPlain, readAsNow] : [readAsNow, readPlain]
    for (const read of order) (read === readPlain ? plain : withoutCorrections).push(await timed(read))
  }
  progress('corrections, voiding the greatest event')
  return reportOf({ events, plain, withoutCorrections, ...(await voidPeaks(clickhouse, events)) })
}

interface Voided {
  /** From the request of the correction to an answer without the event. */
  readonly visible: readonly number[]
  /** The answer alone. */
  readonly read: readonly number[]
}

async function voidPeaks(clickhouse: ClickHouse, events: number): Promise<Voided> {
  const log = await openHttpLog({ clickhouse, logger: { info: () => {}, warn: () => {}, error: () => {} }, onLost: () => {} })
  const [visible, read]: [number[], number[]] = [[], []]
  const peak = async () => (await readProjectUsage(clickhouse, 'large', WEEK, COMPLETE)).summary.database_size_bytes
  try {
    for (let index = 1; index <= VOIDS; index += 1) {
      const greatest = events - index
      const correction = { event_id: `void-${index}`, project_id: 'large', corrects: `e-${greatest}`, action: 'void', reason: 'bench' }
      const receivedMs = Date.now()
      const validated = [validateEvent(decodeEvent(Buffer.from(JSON.stringify(correction))), { receivedMs, allowedProjects: 'all' })]
      const begunMs = performance.now()
      await log.submit({ validated, ingestKeyId: '', receivedMs, bytes: 0 })
      read.push(
        await timed(async () => {
          const value = await peak()
          if (value !== String(greatest - 1)) throw new Error(`The peak is ${value} instead of ${greatest - 1}.`)
        }),
      )
      visible.push(performance.now() - begunMs)
    }
  } finally {
    await log.stop()
  }
  return { visible, read }
}

function reportOf({
  events,
  plain,
  withoutCorrections,
  visible,
  read,
}: Voided & Record<'plain' | 'withoutCorrections', readonly number[]> & { events: number }): Report {
  const ratio = median(withoutCorrections) / median(plain)
  const ms = (values: readonly number[], share = 0.5) => percentile(values, share).toFixed(1)
  return {
    name: 'corrections',
    notes: [`The large project has ${events} events of one peak metric on one day, in the embedded engine.`],
    tables: [
      {
        title: 'A week of a project without corrections',
        columns: ['query', 'ratio', 'p50 ms'],
        rows: [
          ['that knows no corrections', '', ms(plain)],
          ['as it is', ratio.toFixed(3), ms(withoutCorrections)],
        ],
      },
      {
        title: 'A void of the greatest event of the large project',
        columns: ['what', 'p50 ms', 'slowest ms'],
        rows: [
          ['from sending it to an answer without it', ms(visible), ms(visible, 1)],
          ['that answer alone, folded from its events', ms(read), ms(read, 1)],
        ],
      },
    ],
    figures: {
      ratio_usage_without_corrections: ratio,
      visible_p50_ms: median(visible),
      visible_slowest_ms: percentile(visible, 1),
      folded_p50_ms: median(read),
    },
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begunMs = performance.now()
  await work()
  return performance.now() - begunMs
}

/** The large project, in a log of its own, and 2,000 others with some days of all documented metrics. */
function seed(events: number): string {
  return `INSERT INTO raw_usage_events_v1 (project_id, event_id, usage_date, metric, timestamp, value, log, rank, received_at)
    SELECT * FROM (
      SELECT 'large', concat('e-', toString(number)), toDate('${DAY}'), 'database_size_bytes', toDateTime64('${DAY} 00:00:00', 3, 'UTC') + number % 86400, number,
        'seeded', bitNot(number), now64(3) FROM numbers(${events})
      UNION ALL
      SELECT concat('p-', toString(number % 2000)), concat('o-', toString(number)), toDate('2026-01-10') + intDiv(number, 2000) % 7,
        ['database_size_bytes', 'file_storage_bytes', 'ai_tokens', 'mcp_calls', 'egress_bytes', 'ai_credits', 'email_requests', 'function_calls', 'ec2_compute'][1 + intDiv(number, 14000) % 9],
        toDateTime64('2026-01-10 00:00:00', 3, 'UTC') + toIntervalDay(intDiv(number, 2000) % 7), number % 1000, 'seeded', bitNot(number + ${events}), now64(3) FROM numbers(126000)
    ) SETTINGS async_insert = 0`
}

const Span = z.object({ from: z.string(), end: z.string() })
const Row = z.object({ day: z.string(), metric: z.string(), peak: z.string(), total: z.string() })
const SPAN = `project_id = 'p-1000' AND usage_date >= {from: Date} AND usage_date < {end: Date}`

const usageThatKnowsNone = defineQuery({
  name: 'bench_usage_that_knows_no_corrections',
  sql: `SELECT usage_date AS day, grouping(usage_date) AS isSummary, metric, max(peak) AS peak, sum(total) AS total
        FROM project_usage_per_day_v1 WHERE ${SPAN}
        GROUP BY GROUPING SETS ((usage_date, metric), (metric)) ORDER BY usage_date, metric`,
  params: Span,
  row: Row,
})

const usageAsNow = defineQuery({
  name: 'bench_usage_as_now',
  sql: `SELECT usage_date AS day, grouping(usage_date) AS isSummary, metric, max(peak) AS peak, sum(total) AS total, sum(corrections) AS corrections
        FROM project_usage_per_day_v1 WHERE ${SPAN}
        GROUP BY GROUPING SETS ((usage_date, metric), (metric)) ORDER BY usage_date, metric`,
  params: Span,
  row: Row.extend({ corrections: z.coerce.number() }),
})
