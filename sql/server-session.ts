import { Readable } from 'node:stream'
import { createClient } from '@clickhouse/client'
import { ACCESS_DENIED_CODE, classifyStoreError } from './errors.ts'
import { type InsertRows, type Session, settingsClause } from './session.ts'

const DEFAULT_DATABASE = 'meterline'

/**
 * Opens a session on a ClickHouse server. The database is the path of the URL, `meterline` when it has none, and is
 * created if it is missing and may be. A request is sent once: this client repeats none, and nothing between may either.
 */
export async function openServerSession(url: string): Promise<Session> {
  const { bare, database } = splitDatabase(url)
  await createDatabase(bare, database)
  const client = createClient({ url: bare, database })
  const answer = async (query: string, timeoutMs: number, values?: Readable) => {
    const { stream } = await client.exec({ query, abort_signal: AbortSignal.timeout(timeoutMs), ...(values && { values }) })
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks).toString('utf8')
  }
  return {
    run: (sql, timeoutMs) => answer(sql, timeoutMs),
    insert: async ({ table, columns, settings, text }: InsertRows, timeoutMs) => {
      const head = `INSERT INTO ${table} (${columns.join(', ')})${settingsClause(settings)} FORMAT TabSeparated`
      await answer(head, timeoutMs, Readable.from([text]))
    },
    stream: async function* (sql) {
      const { stream } = await client.exec({ query: `${sql} FORMAT TabSeparated` })
      for await (const chunk of stream) yield chunk as Buffer
    },
    close: () => client.close(),
  }
}

async function createDatabase(url: string, database: string): Promise<void> {
  const client = createClient({ url })
  try {
    await client.command({ query: `CREATE DATABASE IF NOT EXISTS ${database}` })
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
