import { addAbortSignal, Readable } from 'node:stream'
import { ClickHouseLogLevel, createClient } from '@clickhouse/client'
import { ACCESS_DENIED_CODE, classifyStoreError, StoreError } from './errors.ts'
import { QUERY_TEXT_BYTES_MAX } from './query.ts'
import { type InsertRows, type Session, settingsClause } from './session.ts'

const DEFAULT_DATABASE = 'meterline'
const CREATE_DATABASE_MS_MAX = 30_000
/** A stream may take this long to begin. */
const STREAM_BEGIN_MS_MAX = 600_000
/** Above every time-out that a caller sets, so that those decide: the client's own default of 30 s is below the engine's limits. */
const SILENCE_MS_MAX = 3_700_000

/**
 * Opens a session on a ClickHouse server. The database is the path of the URL, `meterline` when it has none, and is
 * created if it is missing and may be. A request is sent once: this client repeats none, and nothing between may either.
 */
export async function openServerSession(url: string): Promise<Session> {
  const { bare, database } = splitDatabase(url)
  await createDatabase(bare, database)
  const client = connect({ url: bare, database })
  const answer = (query: string, timeoutMs: number, values?: Readable) =>
    within(timeoutMs, async (signal) => {
      const { stream } = await client.exec({ query, abort_signal: signal, ...(values && { values }) })
      const chunks: Buffer[] = []
      for await (const chunk of addAbortSignal(signal, stream)) chunks.push(chunk as Buffer)
      return Buffer.concat(chunks).toString('utf8')
    })
  return {
    run: (sql, timeoutMs) => answer(sql, timeoutMs),
    insert: async ({ table, columns, settings, text }: InsertRows, timeoutMs) => {
      const head = `INSERT INTO ${table} (${columns.join(', ')})${settingsClause(settings)} FORMAT TabSeparated`
      await answer(head, timeoutMs, Readable.from([text]))
    },
    stream: async function* (sql, format) {
      const { stream, response_headers } = await within(STREAM_BEGIN_MS_MAX, (signal) =>
        client.exec({ query: `${sql} FORMAT ${format}`, abort_signal: signal }),
      )
      const tag = response_headers['x-clickhouse-exception-tag']
      yield* typeof tag === 'string' ? requireComplete(stream, tag) : (stream as AsyncIterable<Buffer>)
    },
    close: () => client.close(),
  }
}

/**
 * A server that fails in the middle of an answer ends it, as if it were whole, with a text of its own between two marks. So the
 * end of an answer is held back until it is known to be none of it.
 */
async function* requireComplete(pieces: AsyncIterable<unknown>, tag: string): AsyncIterable<Buffer> {
  let held = Buffer.alloc(0)
  for await (const piece of pieces) {
    held = Buffer.concat([held, piece as Buffer])
    if (held.length < 2 * EXCEPTION_BYTES_MAX) continue
    yield held.subarray(0, -EXCEPTION_BYTES_MAX)
    held = held.subarray(-EXCEPTION_BYTES_MAX)
  }
  const mark = held.lastIndexOf(`__exception__\r\n${tag}`)
  if (mark === -1) return yield held
  const text = held.toString('utf8', mark)
  throw Object.assign(new Error(text), { code: /Code: (\d+)/.exec(text)?.[1] })
}

/** The server's own limit is half of it. */
const EXCEPTION_BYTES_MAX = 32 * 1024

/** The client throws a plain Error for an abort, which nobody could tell from a fault. */
async function within<T>(timeoutMs: number, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    return await send(signal)
  } catch (thrown) {
    throw signal.aborted ? new StoreError('unavailable', `The server did not answer within ${timeoutMs} ms.`, { cause: thrown }) : thrown
  }
}

/** The client does not log: what it throws is told by whoever catches it. */
function connect({ url, ...address }: { url: string; database?: string }) {
  const withLimit = new URL(url)
  // Not in a statement's own settings: by then its text has been read.
  withLimit.searchParams.set('ch_max_query_size', String(QUERY_TEXT_BYTES_MAX))
  return createClient({ ...address, url: withLimit, request_timeout: SILENCE_MS_MAX, log: { level: ClickHouseLogLevel.OFF } })
}

async function createDatabase(url: string, database: string): Promise<void> {
  const client = connect({ url })
  const quoted = `\`${database.replaceAll('`', '``')}\``
  try {
    await within(CREATE_DATABASE_MS_MAX, (signal) => client.command({ query: `CREATE DATABASE IF NOT EXISTS ${quoted}`, abort_signal: signal }))
  } catch (thrown) {
    // A user without that right works in a database that an administrator made.
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
