import { tracingChannel } from 'node:diagnostics_channel'
import type { z } from 'zod'
import { classifyStoreError, StoreError } from './errors.ts'
import { type Query, renderQuery, type Statement, secondsMaxOf } from './query.ts'
import type { InsertRows, Session, Settings, StreamFormat } from './session.ts'

/** Which ClickHouse: the engine inside this process, or a server. The SQL is the same. */
export type ClickHouseTarget = { engine: 'embedded'; directory: string } | { engine: 'server'; url: string }

/**
 * The only door to ClickHouse. Work that must not wait for other work has a lane of its own:
 * `ingest` for the owner of a log, `registry` for who exists, `control` for takes and kills, `reads` for questions, `work`
 * for what takes long, such as closing a month.
 */
export interface ClickHouse {
  readonly engine: ClickHouseTarget['engine']
  readonly ingest: Lane
  readonly registry: Lane
  readonly control: Lane
  readonly reads: Lane
  readonly work: Lane
  /** One more lane, such as for a log of its own. It is closed with the rest. Throws StoreError. */
  openLane(): Promise<Lane>
  close(): Promise<void>
}

export interface Lane {
  /** Runs a named query and returns its rows, checked against the query's shape. Throws StoreError. */
  query<P extends z.ZodObject, R extends z.ZodObject>(query: Query<P, R>, params: z.input<P>): Promise<z.output<R>[]>
  /** The same, but for queries whose answer is too large to hold: TabSeparated lines, in groups. */
  lines<P extends z.ZodObject, R extends z.ZodObject>(query: Query<P, R>, params: z.input<P>): AsyncIterable<string[]>
  /** The same as bytes of a format, for whoever takes them as they are. */
  bytes<P extends z.ZodObject, R extends z.ZodObject>(query: Query<P, R>, params: z.input<P>, format: StreamFormat): AsyncIterable<Uint8Array>
  /** Runs a statement that the store computes by itself, with the settings of an insert. Throws StoreError like an insert. */
  execute<P extends z.ZodObject>(statement: Statement<P>, params: z.input<P>, tag?: string): Promise<void>
  /** Sends rows once. On any error the outcome is unknown, unless the fault is `fenced` or `refused`. Throws StoreError. */
  insert(insert: Insert): Promise<void>
  /** Runs a statement without an answer: DDL, KILL. Throws StoreError. */
  command(sql: string): Promise<void>
}

export interface Insert {
  readonly table: string
  readonly columns: readonly string[]
  /** TabSeparated, one line a row, each ended by a line feed. */
  readonly text: string | Buffer
  /** Marks the statement in system.processes, so that a later owner of the log can find and kill it. */
  readonly tag?: string
}

/**
 * Every question by its name, when it begins and when it ends, for whoever listens (node:diagnostics_channel). Told in the
 * caller's own asynchronous context, so that questions can be counted for each request.
 */
export const QUERY_CHANNEL = 'meterline:query'

const queries = tracingChannel<'meterline:query', { name: string }>(QUERY_CHANNEL)
/** More than one partner may use at once (api/partner-turns.ts), so that a short question finds one that is free. */
const READ_SESSIONS = 4
const INSERT_SECONDS_MAX = 60
/** The client waits longer than the engine may work, so that a time-out is told by the engine where it can be. */
const CLIENT_PATIENCE_MS = 15_000

/**
 * Every insert is synchronous, never deduplicated by the engine (its record is written before the part, and a kill between
 * the two would lose rows), and raw's part is committed before the rollup reads it, so a rollup is never ahead of raw.
 */
const INSERT_SETTINGS: Settings = {
  async_insert: 0,
  insert_deduplicate: 0,
  deduplicate_insert: 'disable', // since 26.7 this one decides; the line above is for servers before it
  wait_for_part_commit_in_dependent_materialized_views: 1,
  max_partitions_per_insert_block: 0,
  max_execution_time: INSERT_SECONDS_MAX,
}

export async function openClickHouse(target: ClickHouseTarget): Promise<ClickHouse> {
  const opened: Session[] = []
  const open = async () => {
    const session = await openSession(target)
    opened.push(session)
    return session
  }
  const close = async () => {
    for (const session of opened.reverse()) await session.close()
  }
  try {
    const reads: Lane[] = []
    for (let index = 0; index < READ_SESSIONS; index += 1) reads.push(laneOf(await open()))
    return {
      engine: target.engine,
      ingest: laneOf(await open()),
      registry: laneOf(await open()),
      control: laneOf(await open()),
      reads: leastBusy(reads),
      work: laneOf(await open()),
      openLane: async () => laneOf(await classified(open())),
      close,
    }
  } catch (thrown) {
    await close()
    throw classifyStoreError(thrown)
  }
}

/** Loaded when needed: a service that works with a server need not have the engine's 700 MB installed. */
async function openSession(target: ClickHouseTarget): Promise<Session> {
  if (target.engine === 'server') return (await import('./server-session.ts')).openServerSession(target.url)
  return (await import('./embedded-session.ts')).openEmbeddedSession(target.directory)
}

function laneOf(session: Session): Lane {
  return {
    query: (query, params) =>
      queries.tracePromise(
        async () => {
          const sql = `${renderQuery(query, params)} FORMAT JSONEachRow`
          const text = await classified(session.run(sql, secondsMaxOf(query) * 1000 + CLIENT_PATIENCE_MS))
          return parseRows(query, text)
        },
        { name: query.name },
      ),
    lines: (query, params) => splitLines(session.stream(begun(query, params), 'TabSeparated')),
    bytes: (query, params, format) => classifiedPieces(session.stream(begun(query, params), format)),
    execute: async (statement, params, tag) => {
      const settings = { ...insertSettings(tag), ...statement.settings }
      await classified(session.run(renderQuery(statement, params, settings), secondsMaxOf({ settings }) * 1000 + CLIENT_PATIENCE_MS))
    },
    insert: ({ table, columns, text, tag }) => {
      const settings = insertSettings(tag)
      const rows: InsertRows = { table, columns, settings, text: typeof text === 'string' ? Buffer.from(text, 'utf8') : text }
      return classified(session.insert(rows, INSERT_SECONDS_MAX * 1000 + CLIENT_PATIENCE_MS))
    },
    command: async (sql) => {
      await classified(session.run(sql, INSERT_SECONDS_MAX * 1000 + CLIENT_PATIENCE_MS))
    },
  }
}

/** A stream ends when its reader has enough; only its beginning is told. */
function begun<P extends z.ZodObject, R extends z.ZodObject>(query: Query<P, R>, params: z.input<P>): string {
  queries.start.publish({ name: query.name })
  return renderQuery(query, params)
}

function insertSettings(tag: string | undefined): Settings {
  return tag === undefined ? INSERT_SETTINGS : { ...INSERT_SETTINGS, log_comment: tag }
}

function parseRows<P extends z.ZodObject, R extends z.ZodObject>(query: Query<P, R>, text: string): z.output<R>[] {
  const rows: z.output<R>[] = []
  for (const line of text.split('\n')) {
    if (line === '') continue
    const parsed = query.row.safeParse(JSON.parse(line))
    if (!parsed.success) throw new StoreError('fault', `The query ${query.name} answered a row of another shape: ${parsed.error.message}`)
    rows.push(parsed.data)
  }
  return rows
}

async function* splitLines(pieces: AsyncIterable<Uint8Array>): AsyncIterable<string[]> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const piece of classifiedPieces(pieces)) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield lines
  }
  if (rest !== '') yield [rest]
}

async function* classifiedPieces(pieces: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  try {
    yield* pieces
  } catch (thrown) {
    throw classifyStoreError(thrown)
  }
}

async function classified<T>(statement: Promise<T>): Promise<T> {
  try {
    return await statement
  } catch (thrown) {
    throw classifyStoreError(thrown)
  }
}

/** Hands each statement to the session with the least to do: a long report must not hold up a short one. */
function leastBusy(lanes: readonly Lane[]): Lane {
  const pool = lanes.map((lane) => ({ lane, running: 0 }))
  const pick = () => pool.reduce((least, each) => (each.running < least.running ? each : least))
  const counted = async <T>(work: (lane: Lane) => Promise<T>) => {
    const picked = pick()
    picked.running += 1
    try {
      return await work(picked.lane)
    } finally {
      picked.running -= 1
    }
  }
  const streamed = async function* <T>(work: (lane: Lane) => AsyncIterable<T>) {
    const picked = pick()
    picked.running += 1
    try {
      yield* work(picked.lane)
    } finally {
      picked.running -= 1
    }
  }
  return {
    query: (query, params) => counted((lane) => lane.query(query, params)),
    lines: (query, params) => streamed((lane) => lane.lines(query, params)),
    bytes: (query, params, format) => streamed((lane) => lane.bytes(query, params, format)),
    execute: (statement, params, tag) => counted((lane) => lane.execute(statement, params, tag)),
    insert: (insert) => counted((lane) => lane.insert(insert)),
    command: (sql) => counted((lane) => lane.command(sql)),
  }
}
