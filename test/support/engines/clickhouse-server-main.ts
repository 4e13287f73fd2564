import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Session } from 'chdb'

/**
 * A substitute for a ClickHouse server: the part of its HTTP interface that sql/server-session.ts uses, over the embedded engine.
 * Arguments: data directory, port (0 for a free one). It prints its port. It ends on SIGTERM, and when its stdin ends, which
 * means that its parent process is gone. The only URL setting it supports is max_query_size; the SQL text has the others.
 */
const [directory = '', port = '0'] = process.argv.slice(2)
const SESSIONS = 12 // each runs one statement at a time; below UV_THREADPOOL_SIZE, so that all can run in parallel

const FORMAT = { format: 'TabSeparated' } // for statements without a FORMAT clause

const sessions = Array.from({ length: SESSIONS }, () => new Session(directory))
const idle = [...sessions]
const waiting: ((session: Session) => void)[] = []

const server = createServer((request, response) => {
  handle(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined))
})
server.listen(Number(port), '127.0.0.1', () => console.log(`port ${(server.address() as AddressInfo).port}`))
process.once('SIGTERM', end)
process.stdin.once('end', end).resume()

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://substitute')
  if (pathname === '/ping') return void response.end('Ok.\n')
  const head = searchParams.get('query')
  const body = await readBody(request)
  const session = idle.pop() ?? (await new Promise<Session>((resolve) => waiting.push(resolve)))
  try {
    const textBytesMax = searchParams.get('max_query_size') ?? '262144'
    const sql = head === null ? body : `${head}\n${body}`
    await answer(response, run(session, { database: searchParams.get('database') ?? 'default', textBytesMax, sql }))
  } finally {
    const next = waiting.shift()
    if (next === undefined) idle.push(session)
    else next(session)
  }
}

async function* run(session: Session, { database, textBytesMax, sql }: { database: string; textBytesMax: string; sql: string }): AsyncGenerator<Uint8Array> {
  try {
    await session.queryAsync(`USE \`${database}\``)
    await session.queryAsync(`SET max_query_size = ${Number(textBytesMax)}`)
    yield* /^\s*(\/\*.*?\*\/\s*)*(SELECT|WITH)\b/is.test(sql) ? streamed(session, sql) : finished(session, sql)
  } catch (error) {
    // A failed statement stays in system.processes until the next one of its session; on a real server it does not.
    await session.queryAsync('SELECT 1')
    throw error
  }
}

async function* streamed(session: Session, sql: string): AsyncGenerator<Uint8Array> {
  for await (const chunk of session.queryStream(sql, FORMAT)) yield chunk.raw()
}

/** Independent of the connection: as on a real server, a write runs to its end even if the client has disconnected. */
async function* finished(session: Session, sql: string): AsyncGenerator<Uint8Array> {
  yield (await session.queryAsync(sql, FORMAT)).bytes()
}

/** An error changes the status only before the first bytes are sent. After them the connection is broken, as by a real server. */
async function answer(response: ServerResponse, chunks: AsyncGenerator<Uint8Array>): Promise<void> {
  let first: IteratorResult<Uint8Array>
  try {
    first = await chunks.next()
  } catch (error) {
    return answerError(response, error instanceof Error ? error.message : String(error))
  }
  if (first.done !== true && first.value.length > 0) response.write(first.value)
  // If the client disconnects, pipeline ends the query, and there is no one to report the error to.
  await pipeline(Readable.from(chunks), response).catch(() => {})
}

function answerError(response: ServerResponse, message: string): void {
  const code = /Code: (\d+)/.exec(message)?.[1]
  const text = code === undefined ? `Code: 1001. DB::Exception: ${message} (STD_EXCEPTION)` : message
  response.writeHead(STATUS_OF_CODE[code ?? ''] ?? 500, { 'X-ClickHouse-Exception-Code': code ?? '1001' }).end(text)
}

const STATUS_OF_CODE: Record<string, number> = { '60': 404, '81': 404, '497': 403 }

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

/** Ends immediately if a statement is running, because the engine's own exit would wait for it. */
function end(): void {
  if (idle.length < SESSIONS) process.kill(process.pid, 'SIGKILL')
  for (const session of sessions) session.close()
  process.exit()
}
