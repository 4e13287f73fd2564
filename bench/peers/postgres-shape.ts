import type { Closers } from '../../service/closers.ts'
import { POSTGRES } from '../../test/support/engines/postgres-server.ts'
import { makeTemporaryDirectory } from '../temporary-directory.ts'
import { answerOf, type Question } from './exact-answers.ts'
import { batchesOf, type IngestCost, type IngestPlan, killedBatchOf } from './ingest-plan.ts'
import { askQuestions, highestMemory } from './measure-questions.ts'
import { ASKED_PROJECT, eventsInPostgres, MONTH, makePeerEvent, PARTNERS, PROJECTS, PROJECTS_OF_FIRST, projectId, valueText, WEEK } from './peer-events.ts'
import { PostgresProcess, type PostgresSession } from './postgres-process.ts'
import type { ShapeResult } from './shape-result.ts'

const FILL_EVENTS = 1_000_000
const BLOCK_BYTES = 8_192

/** Why this shape cannot be measured here; undefined if it can. */
export const POSTGRES_MISSING = 'missing' in POSTGRES ? POSTGRES.missing : undefined

const CREATE = `
CREATE TABLE peer_projects (project_id text PRIMARY KEY, partner_id text NOT NULL);
INSERT INTO peer_projects SELECT 'prj_' || lpad(number::text, 5, '0'), 'partner_' || CASE WHEN number < ${PROJECTS_OF_FIRST} THEN 0 ELSE 1 + (number - ${PROJECTS_OF_FIRST}) % ${PARTNERS - 1} END
  FROM generate_series(0, ${PROJECTS - 1}) AS number;
CREATE TABLE peer_events (project_id text, event_id uuid, metric text NOT NULL, "timestamp" timestamptz NOT NULL, value numeric(38, 9) NOT NULL,
  PRIMARY KEY (project_id, event_id));
CREATE TABLE peer_rollup (project_id text, usage_date date, metric text, peak numeric NOT NULL, total numeric NOT NULL, PRIMARY KEY (project_id, usage_date, metric));
CREATE UNLOGGED TABLE peer_batch (project_id text, event_id uuid, metric text, "timestamp" timestamptz, value numeric(38, 9));`

/** Only events that were not stored before are added to the rollup, in the same transaction. */
const upsertFrom = (source: string) => `
WITH stored AS (
  INSERT INTO peer_events SELECT project_id, event_id, metric, "timestamp", value FROM ${source} AS source
  ON CONFLICT DO NOTHING RETURNING project_id, ("timestamp" AT TIME ZONE 'UTC')::date AS usage_date, metric, value
)
INSERT INTO peer_rollup SELECT project_id, usage_date, metric, max(value), sum(value) FROM stored GROUP BY project_id, usage_date, metric
ON CONFLICT (project_id, usage_date, metric) DO UPDATE SET peak = greatest(peer_rollup.peak, excluded.peak), total = peer_rollup.total + excluded.total;`

/** Measures PostgreSQL with a rollup that is updated with each batch, and a primary key that rejects duplicates. */
export async function measurePostgres(plan: IngestPlan, closers: Closers): Promise<ShapeResult> {
  const server = new PostgresProcess(makeTemporaryDirectory(closers))
  closers.add(() => server.stop())
  await server.start()
  server.query(CREATE)
  const ingest = await ingestBatches(server, plan)
  fill(server, plan, { first: plan.sent, end: plan.merged })
  server.query('VACUUM (FULL, ANALYZE)')
  const [events, rollup] = ['peer_events', 'peer_rollup'].map((table) => Number(server.query(`SELECT pg_total_relation_size('${table}')`)))
  fill(server, plan, { first: plan.merged, end: plan.events })
  server.query('VACUUM ANALYZE')
  const session = server.openSession()
  const questions = await askQuestions({
    ask: async (question) => answerOf(rowsOf(await session.run(`${SQL[question]};`))),
    bytesRead: async (question) => blocksOf(await session.run(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${SQL[question]};`)) * BLOCK_BYTES,
    memoryBytes: async (question) => memoryOf(server, question),
  })
  await session.close()
  await server.stop()
  return {
    name: 'postgres',
    what: 'PostgreSQL, upserted rollup',
    ingest,
    questions,
    bytesPerEvent: ((events ?? Number.NaN) + (rollup ?? Number.NaN)) / plan.merged,
  }
}

async function ingestBatches(server: PostgresProcess, plan: IngestPlan): Promise<IngestCost> {
  const batches = batchesOf(plan)
  const killed = killedBatchOf(batches)
  const scripts = batches.map(({ numbers }) => scriptOf(numbers, plan.events))
  const before = server.cpuSeconds()
  const startedMs = performance.now()
  let session = server.openSession()
  for (const script of scripts.slice(0, killed + 1)) await session.run(script)
  await session.close()
  const untilKill = server.cpuSeconds()
  const killedMs = performance.now()
  await server.crash()
  await server.start()
  const restartSeconds = (performance.now() - killedMs) / 1000
  session = server.openSession()
  for (const script of scripts.slice(killed)) await session.run(script)
  await session.close()
  const after = server.cpuSeconds()
  const cpuSeconds = before === undefined || untilKill === undefined || after === undefined ? undefined : untilKill - before + after
  return { seconds: (performance.now() - startedMs) / 1000, restartSeconds, cpuSeconds }
}

function scriptOf(numbers: readonly number[], events: number): string {
  const rows = numbers.map((number) => {
    const event = makePeerEvent(number, events)
    return [event.project_id, event.event_id, event.metric, new Date(event.timestampMs).toISOString(), valueText(event)].join('\t')
  })
  return `BEGIN; TRUNCATE peer_batch;\nCOPY peer_batch FROM STDIN;\n${rows.join('\n')}\n\\.\n${upsertFrom('peer_batch')}\nCOMMIT;`
}

function fill(server: PostgresProcess, { events }: IngestPlan, { first, end }: { first: number; end: number }): void {
  for (let from = first; from < end; from += FILL_EVENTS) server.query(upsertFrom(eventsInPostgres(from, Math.min(from + FILL_EVENTS, end), events)))
}

/** A process of the server for this question alone, with the shared buffers that it touches. */
async function memoryOf(server: PostgresProcess, question: Question): Promise<number | undefined> {
  const session: PostgresSession = server.openSession()
  try {
    const process = Number(await session.run('SELECT pg_backend_pid();'))
    const before = highestMemory(process)
    await session.run(`${SQL[question]};`)
    const after = highestMemory(process)
    return before === undefined || after === undefined ? undefined : after - before
  } finally {
    await session.close()
  }
}

const PARTNER_DAYS = `SELECT partner_id, usage_date, metric, sum(peak) AS peak, sum(total) AS total FROM peer_rollup JOIN peer_projects USING (project_id)
  WHERE usage_date >= '${MONTH.first}' AND usage_date < '${MONTH.end}'`
const SQL: Record<Question, string> = {
  project_week: `SELECT 'partner_0', metric, max(peak), sum(total) FROM peer_rollup
    WHERE project_id = '${projectId(ASKED_PROJECT)}' AND usage_date >= '${WEEK.first}' AND usage_date < '${WEEK.end}' GROUP BY metric`,
  partner_month: `SELECT partner_id, metric, max(peak), sum(total) FROM (${PARTNER_DAYS} AND partner_id = 'partner_0' GROUP BY partner_id, usage_date, metric) AS days
    GROUP BY partner_id, metric`,
  all_partners_month: `SELECT partner_id, metric, max(peak), sum(total) FROM (${PARTNER_DAYS} GROUP BY partner_id, usage_date, metric) AS days GROUP BY partner_id, metric`,
}

function rowsOf(text: string) {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [partner = '', metric = '', peak = '', total = ''] = line.split('|')
      return { partner, metric, peak, total }
    })
}

function blocksOf(explained: string): number {
  const [{ Plan: plan }] = JSON.parse(explained) as [{ Plan: Record<string, number> }]
  return (plan['Shared Hit Blocks'] ?? Number.NaN) + (plan['Shared Read Blocks'] ?? Number.NaN)
}
