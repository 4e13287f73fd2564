import { openEmbeddedSession } from '../../sql/embedded-session.ts'
import type { Session, Settings } from '../../sql/session.ts'
import { row } from '../../sql/tab-separated.ts'
import { forkedTask } from '../forked-task.ts'
import { CLICKHOUSE_SHAPES, type ClickHouseShape, PROJECTS_ROWS, PROJECTS_TABLE, questionSql } from './clickhouse-shapes.ts'
import { type AnswerRow, answerOf, type Question } from './exact-answers.ts'
import { batchesOf, type IngestPlan } from './ingest-plan.ts'
import { type AskedQuestions, askQuestions } from './measure-questions.ts'
import { eventsInClickHouse, makePeerEvent } from './peer-events.ts'

export interface ShapeTask {
  readonly directory: string
  readonly shape: ClickHouseShape['name']
  readonly plan: IngestPlan
  /** Sends the batches from `fromBatch`, and after `lastBatch` waits to be killed. Without it: computes the rest, merges, and answers. */
  readonly ingest?: { readonly fromBatch: number; readonly lastBatch: number | undefined }
}

export type ShapeMessage =
  /** The directory is open and the rows are prepared; `openSeconds` is without the preparation. */
  | { readonly status: 'ready'; readonly openSeconds: number }
  /** All batches, or all up to the one after which the process waits, are stored. */
  | { readonly status: 'stored'; readonly seconds: number; readonly cpuSeconds: number }
  | { readonly status: 'asked'; readonly questions: AskedQuestions; readonly bytesOnDisk: number }

const DISK_SECONDS_MAX = 3_600_000
const FILL_EVENTS = 1_000_000
const INSERT: Settings = { async_insert: 0, max_partitions_per_insert_block: 0 }

/** Runs as a process by clickhouse-shape.ts, because a process can open only one directory, and so that it can be killed. */
if (process.send !== undefined) {
  const task = forkedTask<ShapeTask>()
  const shape = CLICKHOUSE_SHAPES.find(({ name }) => name === task.shape)
  if (shape === undefined) throw new Error(`There is no shape ${task.shape}.`)
  const openingMs = performance.now()
  const session = await openEmbeddedSession(task.directory)
  for (const sql of [PROJECTS_TABLE, ...shape.create]) await session.run(sql, DISK_SECONDS_MAX)
  const openSeconds = (performance.now() - openingMs) / 1000
  if (task.ingest === undefined) await answer(session, shape, task.plan)
  else await ingest(session, shape, { ...task, ingest: task.ingest, openSeconds })
  await session.close()
  process.disconnect()
}

function send(message: ShapeMessage): Promise<void> {
  return new Promise((resolve, reject) => process.send?.(message, (error: Error | null) => (error === null ? resolve() : reject(error))))
}

async function ingest(session: Session, shape: ClickHouseShape, { plan, ingest, openSeconds }: Required<ShapeTask> & { openSeconds: number }): Promise<void> {
  const { table, columns } = shape
  const texts = batchesOf(plan)
    .slice(ingest.fromBatch, ingest.lastBatch === undefined ? undefined : ingest.lastBatch + 1)
    .map(({ numbers }) => Buffer.from(numbers.map((number) => row(shape.row(makePeerEvent(number, plan.events)))).join(''), 'utf8'))
  await send({ status: 'ready', openSeconds })
  const [startedMs, cpu] = [performance.now(), process.cpuUsage()]
  for (const text of texts) await session.insert({ table, columns, settings: INSERT, text }, DISK_SECONDS_MAX)
  const { user, system } = process.cpuUsage(cpu)
  await send({ status: 'stored', seconds: (performance.now() - startedMs) / 1000, cpuSeconds: (user + system) / 1e6 })
  // Stored, but the sender will not know: it kills this process.
  if (ingest.lastBatch !== undefined) await new Promise((resolve) => process.once('disconnect', resolve))
}

async function answer(session: Session, shape: ClickHouseShape, plan: IngestPlan): Promise<void> {
  await session.run(PROJECTS_ROWS, DISK_SECONDS_MAX)
  await fill(session, shape, { ...plan, first: plan.sent, end: plan.merged })
  for (const table of shape.tables) await session.run(`OPTIMIZE TABLE ${table} FINAL`, DISK_SECONDS_MAX)
  const bytesOnDisk = await readBytes(session, shape)
  await fill(session, shape, { ...plan, first: plan.merged, end: plan.events })
  const questions = await askQuestions({
    ask: async (question) => answerOf((await run(session, shape, question)).data),
    bytesRead: async (question) => (await run(session, shape, question)).statistics.bytes_read,
  })
  await send({ status: 'asked', questions, bytesOnDisk })
}

async function fill(session: Session, shape: ClickHouseShape, { first, end, events }: { first: number; end: number; events: number }): Promise<void> {
  for (let from = first; from < end; from += FILL_EVENTS) {
    const source = eventsInClickHouse(from, Math.min(from + FILL_EVENTS, end), events)
    await session.run(`INSERT INTO ${shape.table} (${shape.columns.join(', ')}) SELECT ${shape.computed.join(', ')} FROM ${source}`, DISK_SECONDS_MAX)
  }
}

async function run(session: Session, shape: ClickHouseShape, question: Question): Promise<{ data: AnswerRow[]; statistics: { bytes_read: number } }> {
  const sql = `${questionSql(shape, question)} SETTINGS output_format_json_quote_decimals = 1 FORMAT JSON`
  return JSON.parse(await session.run(sql, DISK_SECONDS_MAX)) as { data: AnswerRow[]; statistics: { bytes_read: number } }
}

async function readBytes(session: Session, { tables }: ClickHouseShape): Promise<number> {
  const names = tables.map((table) => `'${table}'`).join(', ')
  return Number(
    await session.run(
      `SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase() AND table IN (${names}) FORMAT TSV`,
      DISK_SECONDS_MAX,
    ),
  )
}
