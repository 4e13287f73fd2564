import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Collection, ProjectOf } from './collection.ts'
import { ProjectSizes, type SlotOptions } from './project-sizes.ts'

export interface PostgresOptions extends SlotOptions {
  /** A connection string without a password, for example "postgresql://meter@db.example.com/postgres"; else the PG… variables say where. */
  readonly connection?: string | undefined
  /** For psql: PATH, HOME (for .pgpass) and its PG… variables, PGPASSWORD among them. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The project of a database's name. */
  readonly projectOf: ProjectOf
}

/** The server gives the size of a database to those who may connect to it, and to members of pg_read_all_stats. */
const SIZES = `SELECT json_build_object('name', datname, 'bytes', CASE
  WHEN has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE') THEN pg_database_size(oid)::text END)
FROM pg_database WHERE NOT datistemplate ORDER BY datname`
const TIMEOUT_MS = 60_000
const OUTPUT_BYTES_MAX = 64 * 1024 ** 2

/** Samples the sizes of the databases of a PostgreSQL server through `psql`. Templates are left out. Throws Error if there is no answer. */
export async function collectPostgresSizes({ connection, environment, projectOf, slotMs, nowMs }: PostgresOptions): Promise<Collection> {
  if (connection !== undefined && hasPassword(connection))
    throw new TypeError('The connection string has a password, which every user of the machine could see. Give it in PGPASSWORD or ~/.pgpass.')
  const text = await runPsql(connection, environment)
  const sizes = new ProjectSizes({ metric: 'database_size_bytes', projectOf, slotMs, nowMs })
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const { name, bytes } = JSON.parse(line) as { name: string; bytes: string | null }
    if (!sizes.has(name)) continue
    if (bytes === null) sizes.addUnknown(name, 'The server does not show the size of this database. Grant pg_read_all_stats to the user.')
    else sizes.add(name, BigInt(bytes))
  }
  return sizes.collection()
}

export function hasPassword(connection: string): boolean {
  return /\bpassword\s*=/i.test(connection) || /^\w+:\/\/[^/@]*:[^/@]*@/.test(connection)
}

async function runPsql(connection: string | undefined, environment: PostgresOptions['environment']): Promise<string> {
  // Without .psqlrc, and without a question for a password.
  const args = ['--no-psqlrc', '--no-password', '--tuples-only', '--no-align', '--quiet', '--set', 'ON_ERROR_STOP=1', '--command', SIZES]
  const target = connection === undefined ? ['--dbname', environment['PGDATABASE'] ?? 'postgres'] : ['--dbname', connection]
  const env = { PGCONNECT_TIMEOUT: '10', ...environment, PGCLIENTENCODING: 'UTF8' }
  try {
    const { stdout } = await promisify(execFile)('psql', [...args, ...target], { env, timeout: TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX })
    return stdout
  } catch (error) {
    throw new Error(explain(error), { cause: error })
  }
}

function explain(error: unknown): string {
  const { code, killed, stderr } = error as { code?: unknown; killed?: boolean; stderr?: string }
  if (code === 'ENOENT') return 'There is no program "psql". Install the client of PostgreSQL (postgresql-client).'
  if (killed === true) return `psql did not answer within ${TIMEOUT_MS / 1000} seconds.`
  const said = (stderr ?? '').trim().split('\n')[0] ?? ''
  return said === '' ? `psql failed (${String(code)}).` : `${said.replace(/\.$/, '')}.`
}
