import { createReadStream, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@clickhouse/client'
import { drainPending } from 'chdb'
import { createChdbConnection } from 'chdb/connection'
import { StoreError } from './errors.ts'
import { SESSION_SETTINGS } from './query.ts'
import { assignments, type InsertRows, type Session, type StreamFormat } from './session.ts'
import { Writes } from './writes.ts'

const DATABASE = 'meterline'
/** How long a process waits at its end for statements that nobody waits for anymore. */
const LAST_STATEMENTS_MS_MAX = 5_000
type ClientConnection = NonNullable<NonNullable<Parameters<typeof createClient>[0]>['connection']>

/**
 * Opens a session on the embedded engine in `directory`. A process can use one directory, and a directory can be used by one
 * process. Throws StoreError with a message that names the other process when the directory is in use.
 */
export async function openEmbeddedSession(directory: string, writes = new Writes()): Promise<Session> {
  requireUsableDirectory(directory)
  const { connection, client } = await connect(directory)
  const idle: EmbeddedConnection[] = []
  const ended = (sql: string) => clearAfterFailure(client, textOf(client, sql))
  const write = async (sql: string, timeoutMs: number) => {
    await within(
      timeoutMs,
      writes.during(undefined, () => ended(sql)),
    )
  }
  return {
    run: (sql, timeoutMs) => within(timeoutMs, ended(sql)),
    write,
    command: write,
    insert: async (rows: InsertRows, timeoutMs) => {
      // rawInsert passes the bytes on without a copy through a string, which client.insert would make.
      const { table, columns, settings, text } = rows
      const insert = () => connection.chdb.rawInsert({ table, columns: [...columns], settings, values: text, format: 'TabSeparated' })
      await within(timeoutMs, writes.during(table, insert))
    },
    // Each stream has its own connection, because another statement on the same one would cut the stream off.
    stream: async function* (sql, format) {
      const own = idle.pop() ?? (await connect(directory))
      let ended = false
      try {
        yield* format === 'Parquet' ? streamFile((path) => own.client.exec({ query: intoFile(sql, path) })) : streamRows(own, sql, format)
        ended = true
      } finally {
        if (ended) idle.push(own)
        else await own.client.close()
      }
    },
    close: async () => {
      for (const each of [...idle, { client }]) await each.client.close()
      // Until the last statement has ended, also one that timed out, the directory stays in use, and no other can be opened.
      await within(LAST_STATEMENTS_MS_MAX, drainPending()).catch(() => {})
    },
  }
}

type EmbeddedConnection = Awaited<ReturnType<typeof connect>>

async function connect(directory: string) {
  const connection = connectOrExplain(directory)
  // Both packages bring their own copy of these types, so the compiler does not know that they are the same.
  const client = createClient({ connection: connection as unknown as ClientConnection })
  await client.command({ query: `CREATE DATABASE IF NOT EXISTS ${DATABASE}` })
  await client.command({ query: `USE ${DATABASE}` })
  await client.command({ query: `SET ${assignments(SESSION_SETTINGS)}` })
  return { connection, client }
}

type Client = ReturnType<typeof createClient>

async function textOf(client: Client, sql: string): Promise<string> {
  const { stream } = await client.exec({ query: sql })
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

/** A failed statement stays in system.processes until its session runs another one, and acquiring a lease would wait for it. */
async function clearAfterFailure<T>(client: Client, statement: Promise<T>): Promise<T> {
  try {
    return await statement
  } catch (thrown) {
    await textOf(client, 'SELECT 1').catch(() => {})
    throw thrown
  }
}

async function* streamRows({ connection }: EmbeddedConnection, sql: string, format: StreamFormat): AsyncIterable<Uint8Array> {
  try {
    for await (const chunk of connection.chdb.queryStream(sql, { format })) yield chunk.raw()
  } catch (thrown) {
    throw withCode(thrown)
  }
}

/** The engine reports the error of a stream only as a text, which begins with the code. */
function withCode(thrown: unknown): unknown {
  const code = thrown instanceof Error ? /^Code: (\d+)\./.exec(thrown.message)?.[1] : undefined
  return code === undefined ? thrown : Object.assign(new Error((thrown as Error).message, { cause: thrown }), { code })
}

/** Writes a Parquet file and streams it. If the engine streamed Parquet, each chunk would be a complete file of its own. */
async function* streamFile(write: (path: string) => Promise<unknown>): AsyncIterable<Uint8Array> {
  const directory = mkdtempSync(join(tmpdir(), 'meterline-export-'))
  const path = join(directory, 'rows.parquet')
  try {
    await write(path)
    for await (const chunk of createReadStream(path)) yield chunk as Buffer
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Puts INTO OUTFILE before the settings at the end of the statement, because it is not allowed after them. */
function intoFile(sql: string, path: string): string {
  const settings = sql.lastIndexOf(' SETTINGS ')
  return `${sql.slice(0, settings)} INTO OUTFILE '${path.replaceAll("'", "\\'")}' FORMAT Parquet${sql.slice(settings)}`
}

/** Throws after `timeoutMs`. The embedded engine cannot abort a statement, so what it writes may still be stored later. */
async function within<T>(timeoutMs: number, statement: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timedOut = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new StoreError('unavailable', `The embedded engine did not answer within ${timeoutMs} ms.`)), timeoutMs)
  })
  return Promise.race([statement, timedOut]).finally(() => clearTimeout(timer))
}

function requireUsableDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const probe = join(directory, `.writable-${process.pid}`)
    writeFileSync(probe, '')
    rmSync(probe)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new StoreError('fault', `The data directory ${directory} cannot be read and written (${reason}). Set DATA_DIR to a directory that this user owns.`, {
      cause,
    })
  }
}

function connectOrExplain(directory: string) {
  try {
    return createChdbConnection({ path: directory })
  } catch (cause) {
    const holder = holderOf(directory)
    const message =
      holder === undefined
        ? `The embedded engine could not open the data directory ${directory}. The engine's own message is printed above.`
        : `The data directory ${directory} is in use by process ${holder}. Stop that process, or set DATA_DIR to another directory.`
    throw new StoreError('fault', message, { cause })
  }
}

/** The engine writes its process id into `status` and keeps that file locked while it runs. */
function holderOf(directory: string): string | undefined {
  const status = join(directory, 'status')
  if (!existsSync(status)) return undefined
  const pid = /^PID: (\d+)/m.exec(readFileSync(status, 'utf8'))?.[1]
  return pid !== undefined && isRunning(Number(pid)) ? pid : undefined
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
