import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { z } from 'zod'
import type { Logger } from '../metering/logger.ts'
import type { ClickHouse } from './clickhouse.ts'
import { EARLIER_CHECKSUMS } from './earlier-checksums.ts'
import { ACCESS_DENIED_CODE, classifyStoreError, StoreError, UNKNOWN_TABLE_CODE } from './errors.ts'
import { defineQuery } from './query.ts'

export interface Migration {
  readonly number: number
  readonly name: string
  /** Of the statements, without comments and line breaks. */
  readonly sha256: string
  readonly statements: readonly string[]
}

export interface MigrateOptions {
  /** Those of this code by default. */
  readonly migrations?: readonly Migration[]
  /** Gets a line every minute while a statement runs. */
  readonly logger?: Pick<Logger, 'info'>
  readonly progressEveryMs?: number
}

/**
 * Applies the migrations that the database does not have yet, in order, and returns them. Every statement is idempotent, so
 * a run that was killed can be repeated. When none is pending, nothing but a read is sent: most processes have a database user
 * who may not change tables. Throws StoreError when the database is newer than this code, when a statement of an applied
 * migration was changed, or when one is pending that this user may not apply.
 */
export async function migrate(clickhouse: ClickHouse, options: MigrateOptions = {}): Promise<Migration[]> {
  const known = options.migrations ?? (await readMigrations())
  const [first] = known
  if (first === undefined) throw new Error('There is no migration to apply.')
  const applied = await readApplied(clickhouse, () => runStatements(clickhouse, first, options))
  requireKnown(applied, known)
  const done = new Set(applied.map((each) => each.number))
  const pending = known.filter((migration) => !done.has(migration.number))
  for (const migration of pending) await runStatements(clickhouse, migration, options)
  // Recorded in one insert at the end: one write to disk instead of one per migration. After a crash before it, the statements run again.
  const rows = pending.map(({ number, name, sha256 }) => `${number}\t${name}\t${sha256}\n`)
  if (rows.length > 0) await clickhouse.control.insert({ table: 'schema_migrations_v1', columns: ['number', 'name', 'sha256'], text: rows.join('') })
  return pending
}

async function readApplied({ control }: ClickHouse, createTable: () => Promise<void>) {
  try {
    return await control.query(appliedMigrations, {})
  } catch (thrown) {
    if (classifyStoreError(thrown).code !== UNKNOWN_TABLE_CODE) throw thrown
    await createTable()
    return control.query(appliedMigrations, {})
  }
}

/** Beside this folder, and beside the folder of the built chunks. */
const FOLDER = new URL('../sql/migrations/', import.meta.url)
const FILE_NAME = /^(\d{3})_([a-z0-9_]+_v\d+)\.sql$/

export async function readMigrations(): Promise<Migration[]> {
  const files = (await readdir(FOLDER)).sort()
  return Promise.all(files.map(async (file) => parseMigration(file, await readFile(new URL(file, FOLDER), 'utf8'))))
}

export function parseMigration(file: string, text: string): Migration {
  const match = FILE_NAME.exec(file)
  if (match === null) throw new Error(`The name of sql/migrations/${file} does not have the form NNN_verb_object_vN.sql.`)
  const statements = splitStatements(text)
  return { number: Number(match[1]), name: match[2] ?? '', sha256: checksumOf(statements), statements }
}

function splitStatements(text: string): string[] {
  return withoutComments(text)
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')
}

/** Literals are matched first, because two dashes inside one are not a comment. */
function withoutComments(text: string): string {
  return text.replace(/('(?:[^'\\]|\\.)*')|--.*$/gm, '$1')
}

/**
 * Covers what the statements do and nothing else: comments and line breaks of an applied migration may change, because they
 * change no table. Whitespace inside a literal counts.
 */
function checksumOf(statements: readonly string[]): string {
  const normalised = statements.map((statement) => statement.replace(/('(?:[^'\\]|\\.)*')|\s+/g, (_, literal: string | undefined) => literal ?? ' '))
  return createHash('sha256').update(normalised.join(';\n')).digest('hex')
}

async function runStatements(
  { control }: ClickHouse,
  { number, name, statements }: Migration,
  { logger, progressEveryMs = PROGRESS_EVERY_MS }: MigrateOptions,
): Promise<void> {
  for (const [index, statement] of statements.entries()) {
    const startedMs = performance.now()
    const timer = setInterval(() => {
      const seconds = Math.round((performance.now() - startedMs) / 1000)
      const reason = `statement ${index + 1} of ${statements.length} of ${name}, ${seconds} s`
      logger?.info({ migration: number, reason }, 'a migration is still running')
    }, progressEveryMs)
    try {
      await control.command(statement, STATEMENT_SECONDS_MAX)
    } catch (thrown) {
      throw withAdvice(thrown, name)
    } finally {
      clearInterval(timer)
    }
  }
}

function withAdvice(thrown: unknown, name: string): StoreError {
  const error = classifyStoreError(thrown)
  if (error.code !== ACCESS_DENIED_CODE) return error
  const message = `The database does not have the migration ${name} yet, and this database user may not apply it. Run "meterline migrate" with the user that may (docs/operating/database-users.md), then start this process again.`
  return new StoreError(error.fault, message, { code: error.code, cause: thrown })
}

/** A statement may copy a table of any size. With the limit of an insert it would fail at every start of a large installation. */
const STATEMENT_SECONDS_MAX = 24 * 3600
const PROGRESS_EVERY_MS = 60_000

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
        `The database is newer than this code: it has migration ${each.number} (${each.name}), and this code ends at ${known.at(-1)?.number}. Start a version of Meterline that is at least as new as the one that wrote the database.`,
      )
    }
    if (migration.sha256 !== (EARLIER_CHECKSUMS[each.sha256] ?? each.sha256)) {
      throw new StoreError(
        'fault',
        `The statements of migration ${each.number} (${each.name}) were changed after it was applied. Restore the file, and put the change into a new migration.`,
      )
    }
  }
}
