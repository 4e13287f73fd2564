import { expect, test } from 'vitest'
import { readMigrations } from '../../sql/migrate.ts'

const migrations = await readMigrations()
const statements = migrations.flatMap((migration) => migration.statements)
const inboxes = statements.filter((statement) => /ENGINE = Null\b/.test(statement))

test('migrations are numbered without a gap and named NNN_verb_object_vN', () => {
  expect(migrations.map(({ number }) => number)).toEqual(migrations.map((_, index) => index + 1))
  expect(migrations.filter(({ name }) => !/^(create|alter|drop|add)_[a-z0-9_]+_v\d+$/.test(name)).map(({ name }) => name)).toEqual([])
})

test('every statement of a migration is idempotent, so that it can be repeated', () => {
  const isRepeatable = (statement: string) =>
    / IF (NOT )?EXISTS /.test(statement) || /^ALTER TABLE \w+ MODIFY QUERY\s/.test(statement) || fillsReplacingTable(statement) || MAY_REPEAT.test(statement)
  expect(statements.filter((statement) => !isRepeatable(statement))).toEqual([])
})

/** The newest token stays the same, and acquisitions are only compared for equality; of the last token of a log one row is as good as two. */
const MAY_REPEAT = /^INSERT INTO (leases_v1 \(name, newest\)|log_owners_v1 \(log, epoch, owner\))\sSELECT /

/** A copy of rows into a table in which equal rows replace each other, or of which only the maximum counts: copying them again adds nothing. */
function fillsReplacingTable(statement: string): boolean {
  const table = /^\s*INSERT INTO (\w+) \([^)]*\)\s+SELECT\s/.exec(statement)?.[1]
  const created = table === undefined ? undefined : statements.find((each) => new RegExp(`CREATE TABLE IF NOT EXISTS ${table}\\b`).test(each))
  if (created === undefined) return false
  return (
    /ENGINE = ReplacingMergeTree(?:\(revision\))?\n/.test(created) ||
    (/ENGINE = AggregatingMergeTree\n/.test(created) && !/AggregateFunction\((?!max,)/.test(created))
  )
}

test('every table and view has its version in its name', () => {
  const created = statements.filter((statement) => /^\s*CREATE /.test(statement))
  const names = created.map((statement) => / (?:TABLE|VIEW) IF NOT EXISTS (\w+)/.exec(statement)?.[1] ?? statement)
  expect(names.filter((name) => !/_v\d+$/.test(name))).toEqual([])
})

test('every table that stores rows writes them through to disk', () => {
  const stored = statements.filter((statement) => /CREATE TABLE/.test(statement) && !/ENGINE = Null\b/.test(statement))
  expect(stored.filter((statement) => !statement.includes('fsync_after_insert = 1') || !statement.includes('fsync_part_directory = 1'))).toEqual([])
})

test('every inbox has exactly one view, and its latest query contains the fence', () => {
  const unfenced = inboxes.filter((inbox) => {
    const name = / EXISTS (\w+)/.exec(inbox)?.[1]
    const views = statements.filter((statement) => new RegExp(`CREATE MATERIALIZED VIEW[^;]*FROM ${name}\\b`).test(statement))
    const view = / EXISTS (\w+)/.exec(views[0] ?? '')?.[1]
    const latest = statements.findLast((statement) => new RegExp(`ALTER TABLE ${view} MODIFY QUERY[^;]*FROM ${name}\\b`).test(statement)) ?? views[0]
    return views.length !== 1 || latest?.includes(FENCE) !== true
  })
  expect(unfenced).toEqual([])
  expect(inboxes.length).toBeGreaterThan(4)
})

const FENCE = `WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0`
