import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { z } from 'zod'
import type { ClickHouse } from './clickhouse.ts'
import { StoreError } from './errors.ts'
import { defineQuery } from './query.ts'

export interface Migration {
  readonly number: number
  readonly name: string
  readonly sha256: string
  readonly statements: readonly string[]
}

/**
 * Applies the migrations that the database does not have yet, in order, and returns them. Every statement is idempotent,
 * so a run that was killed half-way is simply run again. Throws StoreError when the database is newer than this code, or
 * when a file was changed after it had been applied.
 */
export async function migrate(clickhouse: ClickHouse, migrations?: readonly Migration[]): Promise<Migration[]> {
  const known = migrations ?? (await readMigrations())
  const [first] = known
  if (first === undefined) throw new Error('There is no migration to apply.')
  await runStatements(clickhouse, first)
  const applied = await clickhouse.control.query(appliedMigrations, {})
  requireKnown(applied, known)
  const done = new Set(applied.map((each) => each.number))
  const pending = known.filter((migration) => !done.has(migration.number))
  for (const migration of pending) await runStatements(clickhouse, migration)
  // All at the end: one write to disk instead of as many as there are migrations, and whoever was killed before it runs them again.
  const rows = pending.map(({ number, name, sha256 }) => `${number}\t${name}\t${sha256}\n`)
  if (rows.length > 0) await clickhouse.control.insert({ table: 'schema_migrations_v1', columns: ['number', 'name', 'sha256'], text: rows.join('') })
  return pending
}

const FOLDER = new URL('./migrations/', import.meta.url)
const FILE_NAME = /^(\d{3})_([a-z0-9_]+_v\d+)\.sql$/

export async function readMigrations(): Promise<Migration[]> {
  const files = (await readdir(FOLDER)).sort()
  return Promise.all(files.map(readMigration))
}

async function readMigration(file: string): Promise<Migration> {
  const match = FILE_NAME.exec(file)
  if (match === null) throw new Error(`sql/migrations/${file} is not named NNN_verb_object_vN.sql.`)
  const text = await readFile(new URL(file, FOLDER), 'utf8')
  return { number: Number(match[1]), name: match[2] ?? '', sha256: createHash('sha256').update(text).digest('hex'), statements: splitStatements(text) }
}

function splitStatements(text: string): string[] {
  const code = text.replace(/^\s*--.*$/gm, '')
  return code
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')
}

async function runStatements(clickhouse: ClickHouse, migration: Migration): Promise<void> {
  for (const statement of migration.statements) await clickhouse.control.command(statement)
}

const appliedMigrations = defineQuery({
  name: 'applied_migrations',
  sql: 'SELECT number, name, sha256 FROM schema_migrations_v1 FINAL ORDER BY number',
  params: z.object({}),
  row: z.object({ number: z.number(), name: z.string(), sha256: z.string() }),
})

function requireKnown(applied: readonly { number: number; name: string; sha256: string }[], known: readonly Migration[]): void {
  for (const each of applied) {
    const migration = known.find((candidate) => candidate.number === each.number)
    if (migration === undefined) {
      throw new StoreError(
        'fault',
        `The database is newer than this code: it has migration ${each.number} (${each.name}), this code ends at ${known.at(-1)?.number}. Start a version of Meterline that is at least as new as the one that wrote it.`,
      )
    }
    if (migration.sha256 !== each.sha256) {
      throw new StoreError(
        'fault',
        `Migration ${each.number} (${each.name}) was changed after it had been applied. Restore the file, and put the change into a new migration.`,
      )
    }
  }
}
