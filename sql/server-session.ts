import { randomUUID } from 'node:crypto'
import { addAbortSignal, Readable } from 'node:stream'
import { ClickHouseLogLevel, createClient, type ExecParams } from '@clickhouse/client'
import { ACCESS_DENIED_CODE, classifyStoreError, StoreError } from './errors.ts'
import { SESSION_SETTINGS } from './query.ts'
import { type InsertRows, type Session, settingsClause } from './session.ts'

const DEFAULT_DATABASE = 'meterline'
const CREATE_DATABASE_MS_MAX = 30_000
/** How long a stream may take to return its first bytes. */
const STREAM_BEGIN_MS_MAX = 600_000
/** Above every time-out that a caller sets, a day included, so that the caller's applies. The client's default is 30 s. */
const SILENCE_MS_MAX = 25 * 3_600_000

/**
 * Opens a session on a ClickHouse server. The database is the path of the URL, or `meterline` if it has none; it is created if it
 * is missing and the user has the right to. Every request is sent once, and a statement that writes runs once.
 */
export async function openServerSession(url: string): Promise<Session> {
  const { bare, database } = splitDatabase(url)
  const { host } = new URL(bare)
  await createDatabase(bare, database)
  const client = connect({ url: bare, database })
  const answer = (request: Request, timeoutMs: number) =>
    within(host, timeoutMs, async (signal) => {
      const { stream } = await client.exec({ ...request, abort_signal: signal })
      const chunks: Buffer[] = []
      for await (const chunk of addAbortSignal(signal, stream)) chunks.push(chunk as Buffer)
      return Buffer.concat(chunks).toString('utf8')
    })
  /**
   * Runs a statement in a session of the server that ends with it. A proxy that lost the answer may send the request again, after
   * rows were stored: the server then finds no such session and rejects it, or a locked one if the first request still runs. Without
   * that, an insert that arrived twice would be billed twice.
   */
  const once = async (request: Request, timeoutMs: number) => {
    const session_id = randomUUID()
    await answer({ query: 'SELECT 1', session_id }, timeoutMs)
    await answer({ ...request, session_id, clickhouse_settings: ONLY_IN_AN_OPEN_SESSION }, timeoutMs)
  }
  return {
    run: (query, timeoutMs) => answer({ query }, timeoutMs),
    write: (query, timeoutMs) => once({ query }, timeoutMs),
    command: async (query, timeoutMs) => void (await answer({ query }, timeoutMs)),
    insert: ({ table, columns, settings, text }: InsertRows, timeoutMs) => {
      const query = `INSERT INTO ${table} (${columns.join(', ')})${settingsClause(settings)} FORMAT TabSeparated`
      return once({ query, values: Readable.from([text]) }, timeoutMs)
    },
    stream: async function* (sql, format) {
      const { stream, response_headers } = await within(host, STREAM_BEGIN_MS_MAX, (signal) =>
        client.exec({ query: `${sql} FORMAT ${format}`, abort_signal: signal }),
      )
      const tag = response_headers['x-clickhouse-exception-tag']
      yield* typeof tag === 'string' ? requireComplete(stream, tag) : (stream as AsyncIterable<Buffer>)
    },
    close: () => client.close(),
  }
}

type Request = ExecParams & { values?: Readable }

/** Parameters of the HTTP interface, not settings of the statement: fail unless the session exists, and end it afterwards. */
const ONLY_IN_AN_OPEN_SESSION = { session_check: 1, close_session: 1 } as const

/**
 * Throws if the server failed during the stream. Such a server ends the response as if it were complete, with an error text
 * between two marks. So the end of the stream is buffered until it is known not to be such a text.
 */
async function* requireComplete(chunks: AsyncIterable<unknown>, tag: string): AsyncIterable<Buffer> {
  let tail = Buffer.alloc(0)
  for await (const chunk of chunks) {
    tail = Buffer.concat([tail, chunk as Buffer])
    if (tail.length < 2 * EXCEPTION_BYTES_MAX) continue
    yield tail.subarray(0, -EXCEPTION_BYTES_MAX)
    tail = tail.subarray(-EXCEPTION_BYTES_MAX)
  }
  const mark = tail.lastIndexOf(`__exception__\r\n${tag}`)
  if (mark === -1) return yield tail
  const text = tail.toString('utf8', mark)
  throw Object.assign(new Error(text), { code: /Code: (\d+)/.exec(text)?.[1] })
}

/** Twice the server's own limit. */
const EXCEPTION_BYTES_MAX = 32 * 1024

/**
 * Throws StoreError after `timeoutMs`, or when the connection fails. The client itself throws a plain Error for an abort, which looks
 * like a fault, and does not say which server the connection was to.
 */
async function within<T>(host: string, timeoutMs: number, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    return await send(signal)
  } catch (thrown) {
    if (signal.aborted) throw new StoreError('unavailable', `The ClickHouse server at ${host} did not answer within ${timeoutMs} ms.`, { cause: thrown })
    const { fault, code, message } = classifyStoreError(thrown)
    if (fault !== 'unavailable' || code !== undefined) throw thrown
    throw new StoreError('unavailable', `The ClickHouse server at ${host} does not answer: ${message}. Check that it runs and that CLICKHOUSE_URL names it.`, {
      cause: thrown,
    })
  }
}

/** The client does not log, because the code that catches an error logs it. */
function connect({ url, ...address }: { url: string; database?: string }) {
  const withSettings = new URL(url)
  for (const [name, value] of Object.entries(SESSION_SETTINGS)) withSettings.searchParams.set(`ch_${name}`, String(value))
  return createClient({ ...address, url: withSettings, request_timeout: SILENCE_MS_MAX, log: { level: ClickHouseLogLevel.OFF } })
}

async function createDatabase(url: string, database: string): Promise<void> {
  const client = connect({ url })
  const quoted = `\`${database.replaceAll('`', '``')}\``
  try {
    await within(new URL(url).host, CREATE_DATABASE_MS_MAX, (signal) =>
      client.command({ query: `CREATE DATABASE IF NOT EXISTS ${quoted}`, abort_signal: signal }),
    )
  } catch (thrown) {
    // A user without the right to create databases works in one that an administrator created.
    const error = classifyStoreError(thrown)
    if (error.code !== ACCESS_DENIED_CODE) throw error
  } finally {
    await client.close()
  }
}

function splitDatabase(url: string): { bare: string; database: string } {
  const parsed = new URL(url)
  const database = decodeURIComponent(parsed.pathname.slice(1)) || DEFAULT_DATABASE
  parsed.pathname = '/'
  return { bare: parsed.toString(), database }
}
