import { tracingChannel } from 'node:diagnostics_channel'
import type { z } from 'zod'
import { classifyStoreError, StoreError } from './errors.ts'
import { type Query, renderQuery, type Statement, secondsMaxOf } from './query.ts'
import type { InsertRows, Session, Settings, StreamFormat } from './session.ts'
import { Writes } from './writes.ts'

/** The ClickHouse to open: the engine inside this process, or a server. The SQL is the same for both. */
export type ClickHouseTarget = { engine: 'embedded'; directory: string } | { engine: 'server'; url: string }

/**
 * All access to ClickHouse. Work that must not wait for other work has its own lane: `ingest` for the owner of a log, `registry`
 * for partners, projects and credentials, `control` for acquiring leases and killing inserts, `reads` for short queries, and
 * `work` for long ones, such as closing a month.
 */
export interface ClickHouse {
  readonly engine: ClickHouseTarget['engine']
  readonly ingest: Lane
  readonly registry: Lane
  readonly control: Lane
  readonly reads: Lane
  readonly work: Lane
  /** The servers of the event logs, in their order, of a store that has several (sql/shards.ts): then this one coordinates them. */
  readonly shards?: readonly ClickHouse[]
  /** With `shards`: the place of the server of each slot, counted from 1. */
  readonly slots?: readonly number[]
  /** Opens another lane, for example for one more log. `close` closes it with the others. Throws StoreError. */
  openLane(): Promise<Lane>
  close(): Promise<void>
}

export interface Lane {
  /** Runs a named query and returns its rows, validated against the query's schema. Throws StoreError. */
  query<P extends z.ZodObject, R extends z.ZodObject>(query: Query<P, R>, params: z.input<P>): Promise<z.output<R>[]>
  /** Streams the result of a query that is too large for memory: groups of TabSeparated lines. */
  lines<P extends z.ZodObject, R extends z.ZodObject>(query: Query<P, R>, params: z.input<P>): AsyncIterable<string[]>
  /** Streams the result of a query as bytes in a format. */
  bytes<P extends z.ZodObject, R extends z.ZodObject>(query: Query<P, R>, params: z.input<P>, format: StreamFormat): AsyncIterable<Uint8Array>
  /** Runs a statement that writes rows computed by ClickHouse, with the settings of an insert. Throws StoreError like `insert`. */
  execute<P extends z.ZodObject>(statement: Statement<P>, params: z.input<P>, tag?: string): Promise<void>
  /** Inserts rows; sends them once. After an error the rows may be stored, unless the fault is `fenced` or `refused`. Throws StoreError. */
  insert(insert: Insert): Promise<void>
  /** Runs a statement that returns nothing, such as DDL or KILL, and waits for it at most `secondsMax`. Throws StoreError. */
  command(sql: string, secondsMax?: number): Promise<void>
  /** Of a lane that reads several shards: the shard of a project. If one of them does not answer, the projects of the others can still be read. */
  readonly shardOfProject?: (projectId: string) => number
  /** Of the embedded engine: tells a reader whether anything was written since it read. To a server, other processes may write as well. */
  readonly writes?: Writes
}

export interface Insert {
  readonly table: string
  readonly columns: readonly string[]
  /** TabSeparated: one line per row, each ended by a line feed. */
  readonly text: string | Buffer
  /** Marks the insert in system.processes, so that a later owner of the lease can find and kill it (leaseTag in sql/lease.ts). */
  readonly tag?: string
}

/**
 * The tracing channel (node:diagnostics_channel) that reports the start and the end of every statement. It reports in the caller's
 * asynchronous context, so that a listener can assign the statements to requests. It has no SQL and no parameters, which hold the
 * data of customers.
 */
export const STATEMENT_CHANNEL = 'meterline:statement'

export interface TracedStatement {
  readonly operation: 'query' | 'stream' | 'execute' | 'insert' | 'command'
  /** The name of the query or statement, or the table of an insert. Commands, such as DDL, have none. */
  readonly name?: string
}

const statements = tracingChannel<unknown, TracedStatement>(STATEMENT_CHANNEL)
/** More than one partner may use at the same time (api/http/read-concurrency.ts), so that a short query finds a free session. */
export const READ_SESSIONS = 5
const INSERT_SECONDS_MAX = 60
/** The client waits this much longer than the engine may run, so that a time-out is reported by the engine where possible. */
const CLIENT_EXTRA_WAIT_MS = 15_000

/**
 * Every insert is synchronous. The engine must not deduplicate it: it records the block before it commits the part, and after a
 * kill between the two a repeated insert would be dropped as a duplicate, so its events would not be billed. The part of raw is
 * committed before the rollup reads it, so the rollup is never ahead of raw.
 */
const INSERT_SETTINGS: Settings = {
  async_insert: 0,
  insert_deduplicate: 0,
  deduplicate_insert: 'disable', // decides since ClickHouse 26.7; the line above is for older servers
  wait_for_part_commit_in_dependent_materialized_views: 1,
  max_partitions_per_insert_block: 0,
  max_execution_time: INSERT_SECONDS_MAX,
}

export async function openClickHouse(target: ClickHouseTarget): Promise<ClickHouse> {
  const opened: Session[] = []
  const writes = target.engine === 'embedded' ? new Writes() : undefined
  const open = async () => {
    const session = await openSession(target, writes)
    opened.push(session)
    return { ...laneOf(session), ...(writes && { writes }) }
  }
  const close = async () => {
    for (const session of opened.reverse()) await session.close()
  }
  try {
    const reads: Lane[] = []
    for (let index = 0; index < READ_SESSIONS; index += 1) reads.push(await open())
    return {
      engine: target.engine,
      ingest: await open(),
      registry: await open(),
      control: await open(),
      reads: leastBusy(reads),
      work: await open(),
      openLane: () => classified(open()),
      close,
    }
  } catch (thrown) {
    await close()
    throw classifyStoreError(thrown)
  }
}

/** Imports the engine only when it is used: who has a ClickHouse server, or only calls a service, need not install its 700 MB. */
async function openSession(target: ClickHouseTarget, writes: Writes | undefined): Promise<Session> {
  if (target.engine === 'server') return (await import('./server-session.ts')).openServerSession(target.url)
  const { openEmbeddedSession } = await import('./embedded-session.ts').catch((cause: unknown) => {
    throw isMissingEngine(cause) ? new Error(ENGINE_MISSING) : cause
  })
  return openEmbeddedSession(target.directory, writes)
}

const ENGINE_MISSING =
  'The embedded engine is not installed. Set CLICKHOUSE_URL to use a ClickHouse server, or install the engine (730 MB) beside Meterline: npm install chdb@3'

function isMissingEngine(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ERR_MODULE_NOT_FOUND' && cause.message.includes("'chdb'")
}

function laneOf(session: Session): Lane {
  return {
    query: (query, params) =>
      statements.tracePromise(
        async () => {
          const sql = `${renderQuery(query, params)} FORMAT JSONEachRow`
          const text = await classified(session.run(sql, secondsMaxOf(query) * 1000 + CLIENT_EXTRA_WAIT_MS))
          return parseRows(query, text)
        },
        { operation: 'query', name: query.name },
      ),
    lines: (query, params) => splitLines(tracedStream(query, session.stream(renderQuery(query, params), 'TabSeparated'))),
    bytes: (query, params, format) => tracedStream(query, session.stream(renderQuery(query, params), format)),
    execute: (statement, params, tag) =>
      statements.tracePromise(
        async () => {
          const settings = { ...insertSettings(tag), ...statement.settings }
          await classified(session.write(renderQuery(statement, params, settings), secondsMaxOf({ settings }) * 1000 + CLIENT_EXTRA_WAIT_MS))
        },
        { operation: 'execute', name: statement.name },
      ),
    insert: ({ table, columns, text, tag }) =>
      statements.tracePromise(
        async () => {
          const settings = insertSettings(tag)
          const rows: InsertRows = { table, columns, settings, text: typeof text === 'string' ? Buffer.from(text, 'utf8') : text }
          await classified(session.insert(rows, INSERT_SECONDS_MAX * 1000 + CLIENT_EXTRA_WAIT_MS))
        },
        { operation: 'insert', name: table },
      ),
    command: (sql, secondsMax = INSERT_SECONDS_MAX) =>
      statements.tracePromise(
        async () => {
          await classified(session.command(sql, secondsMax * 1000 + CLIENT_EXTRA_WAIT_MS))
        },
        { operation: 'command' },
      ),
  }
}

/** A streamed query ends when its reader has all of it, or stops. */
function tracedStream({ name }: { readonly name: string }, chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const statement: TracedStatement & { error?: unknown } = { operation: 'stream', name }
  statements.start.publish(statement)
  return reportedToTheEnd(classifiedChunks(chunks), statement)
}

async function* reportedToTheEnd<T>(chunks: AsyncIterable<T>, statement: TracedStatement & { error?: unknown }): AsyncIterable<T> {
  try {
    yield* chunks
  } catch (thrown) {
    statement.error = thrown
    statements.error.publish(statement)
    throw thrown
  } finally {
    statements.asyncEnd.publish(statement)
  }
}

function insertSettings(tag: string | undefined): Settings {
  return tag === undefined ? INSERT_SETTINGS : { ...INSERT_SETTINGS, log_comment: tag }
}

function parseRows<P extends z.ZodObject, R extends z.ZodObject>(query: Query<P, R>, text: string): z.output<R>[] {
  const rows: z.output<R>[] = []
  for (const line of text.split('\n')) {
    if (line === '') continue
    const parsed = query.row.safeParse(JSON.parse(line))
    if (!parsed.success) throw new StoreError('fault', `The query ${query.name} returned a row that does not match its schema: ${parsed.error.message}`)
    rows.push(parsed.data)
  }
  return rows
}

async function* splitLines(chunks: AsyncIterable<Uint8Array>): AsyncIterable<string[]> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield lines
  }
  if (rest !== '') yield [rest]
}

async function* classifiedChunks(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  try {
    yield* chunks
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

/** Gives each statement to the session with the fewest running ones, so that a long report does not delay a short query. */
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
    ...lanes[0],
    query: (query, params) => counted((lane) => lane.query(query, params)),
    lines: (query, params) => streamed((lane) => lane.lines(query, params)),
    bytes: (query, params, format) => streamed((lane) => lane.bytes(query, params, format)),
    execute: (statement, params, tag) => counted((lane) => lane.execute(statement, params, tag)),
    insert: (insert) => counted((lane) => lane.insert(insert)),
    command: (...statement) => counted((lane) => lane.command(...statement)),
  }
}
