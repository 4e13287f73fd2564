import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type ClickHouse, openClickHouse } from '../../sql/clickhouse.ts'
import { ACCESS_DENIED_CODE } from '../../sql/errors.ts'
import { acquireLease, leaseTag } from '../../sql/lease.ts'
import { migrate, parseMigration, readMigrations } from '../../sql/migrate.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import { clickHouseForTests, DATABASE_USERS, type DatabaseUser, type TestClickHouse, USERS_FILE } from '../support/engines/clickhouse-server.ts'
import { readSources, type SourceFile } from '../support/source-files.ts'
import { untilSo } from '../support/until-so.ts'
import { makeApiWorld } from '../support/worlds/api-world.ts'
import { FENCED_INBOXES } from '../support/worlds/fenced-inboxes.ts'
import { TEST_MASTER_KEY } from '../support/worlds/test-registry.ts'
import { startTestService } from '../support/worlds/test-service.ts'

const XML = readFileSync(USERS_FILE, 'utf8')

/** What each part runs besides its HTTP listener, which sends no statement in `ingest` and `aggregate`. */
const PARTS = {
  ingest: ['ingest/kafka/open-kafka.ts', 'sql/migrate.ts', 'sql/shard-map.ts', 'sql/clickhouse.ts'],
  aggregate: [
    ...['aggregator/background-jobs.ts', 'automation/start-automation.ts', 'service/open-scheduler.ts', 'registry/changes.ts'],
    ...['ingest/log/identity-index.ts', 'sql/migrate.ts', 'sql/shard-map.ts', 'sql/clickhouse.ts'],
  ],
  api: ['service/start-service.ts'],
} as const

const ADMIN_LISTS = [
  ...['partners', 'projects', 'accounts', 'ingest-keys', 'signing-keys', 'tokens', 'audit-log', 'audits', 'logs/source', 'rejected-events'],
  ...['silent-projects', 'unregistered-projects', 'service-logs', 'health-report', 'metrics'],
]

/** Tables that hold credentials, keys, secrets and addresses of persons. */
const NOT_FOR_BACKGROUND = [
  'accounts_v1',
  'credential_uses_v1',
  'ingest_keys_v1',
  'partner_secrets_v1',
  'revoked_admin_tokens_v1',
  'sealed_keys_v1',
  'secrets_v1',
  'signing_keys_v1',
  'webhook_secrets_v1',
]

/** Besides its inbox, a view may read these tables, with the rights of the user who inserts. */
const READ_BY_VIEWS = ['leases_v1', 'heartbeat_days_v1']

describe('the grants in docs/operating/clickhouse-users.xml', () => {
  const sources = new Map(readSources().map((file) => [file.path, file]))

  test.each(Object.keys(PARTS) as (keyof typeof PARTS)[])('%s: exactly the tables that its code writes, and at least those that it reads', (part) => {
    const text = [...closureOf(PARTS[part], sources)].map((path) => codeOf(sources.get(path))).join('\n')
    const written = tables(text, /INSERT INTO (\w+_v\d+)|table: '(\w+_v\d+)'|write\('(\w+_v\d+)'/g)
    const deleted = tables(text, /(?:DELETE FROM|ALTER TABLE) (\w+_v\d+)/g)
    const truncated = tables(text, /TRUNCATE TABLE (?:IF EXISTS )?(\w+_v\d+)/g)
    written.delete('schema_migrations_v1')
    const granted = grantsOf(part)
    // A replaced partition needs INSERT; the partitions of staged exports are dropped by names that are read from the store.
    const staged = ['export_days_v1', 'export_rows_v1']
    const more = {
      ingest: { insert: [], delete: [] },
      aggregate: { insert: [], delete: staged },
      api: { insert: ['project_usage_per_day_v1'], delete: [...staged, 'rebuilt_usage_per_day_v1', 'rebuilt_usage_states_per_day_v1'] },
    }[part]
    expect(granted['INSERT']).toEqual([...written, ...more.insert].sort())
    expect(granted['ALTER DELETE'] ?? []).toEqual([...deleted, ...more.delete].sort())
    expect(granted['TRUNCATE']).toEqual([...truncated].sort())
    const read = [...tables(text, /(\w+_v\d+)/g)].filter((name) => !name.endsWith('_mv_v1') && !INBOX.test(name))
    const readable = (granted['SELECT'] ?? []).filter((name) => !(INBOX.test(name) && granted['INSERT']?.includes(name)))
    expect(readable.includes('*') ? [] : read.filter((name) => !readable.includes(name) && !onlyWritten(text, name))).toEqual([])
    expect(readable.includes('*') ? [] : readable.filter((name) => !read.includes(name) && !READ_BY_VIEWS.includes(name))).toEqual([])
  })

  test('ingest and aggregate read no credential, no key and no account; of secrets, aggregate reads the sealed values, for schedules and webhooks', () => {
    const readable = (part: 'ingest' | 'aggregate') => NOT_FOR_BACKGROUND.filter((name) => grantsOf(part)['SELECT']?.includes(name))
    expect([readable('ingest'), readable('aggregate')]).toEqual([[], ['secrets_v1', 'webhook_secrets_v1']])
  })

  test('only the user of migrations may create, alter or drop tables, and none may manage users', () => {
    const allowed = ['SELECT', 'INSERT', 'ALTER DELETE', 'TRUNCATE', 'SHOW TABLES', 'KILL QUERY', 'CREATE TEMPORARY TABLE']
    for (const part of ['ingest', 'aggregate', 'api'] as const) expect(Object.keys(grantsOf(part)).filter((each) => !allowed.includes(each))).toEqual([])
    expect(XML).not.toMatch(/GRANT OPTION|ACCESS MANAGEMENT|GRANT ALL|access_management/)
  })
})

describe('on a ClickHouse server with these users', () => {
  let server: TestClickHouse
  const opened: ClickHouse[] = []
  const open = async (part: DatabaseUser) => {
    const clickhouse = await openClickHouse({ engine: 'server', url: server.ofPart?.[part] ?? '' })
    opened.push(clickhouse)
    return clickhouse
  }
  beforeAll(async () => {
    server = await clickHouseForTests()
  })
  afterAll(async () => {
    for (const clickhouse of opened) await clickhouse.close()
    await server.stop()
  })
  const inOrder = process.env['CLICKHOUSE_URL'] === undefined ? test : test.skip

  inOrder('a part that starts before "meterline migrate" says so, and afterwards starts without a right to change tables', async () => {
    for (const part of ['ingest', 'aggregate', 'api'] as const) await expect(migrate(await open(part))).rejects.toMatchObject({ code: expect.any(Number) })
    const migrating = await open('migrate')
    expect((await migrate(migrating)).length).toBeGreaterThan(40)
    const next = parseMigration('999_create_more_v1.sql', 'CREATE TABLE IF NOT EXISTS more_v1 (a String) ENGINE = MergeTree ORDER BY a;')
    for (const part of ['ingest', 'aggregate', 'api'] as const) {
      const clickhouse = await open(part)
      expect(await migrate(clickhouse)).toEqual([])
      await expect(migrate(clickhouse, { migrations: [...(await readMigrations()), next] })).rejects.toMatchObject({
        code: ACCESS_DENIED_CODE,
        message: expect.stringContaining('does not have the migration create_more_v1 yet'),
      })
      await expect(clickhouse.control.command('DROP TABLE raw_usage_events_v1')).rejects.toMatchObject({ code: ACCESS_DENIED_CODE })
      await expect(clickhouse.control.command('ALTER TABLE raw_usage_events_v1 DROP PARTITION 202601')).rejects.toMatchObject({ code: ACCESS_DENIED_CODE })
    }
  })

  inOrder('a service with the grants of "api" closes months, exports, audits, rebuilds and answers every list', async () => {
    const logged: string[] = []
    const secrets = { ADMIN_TOKEN: 'admin-token-for-tests-0123456789abcdef', MASTER_KEY: TEST_MASTER_KEY }
    const tested = await startTestService({ CLICKHOUSE_URL: server.ofPart?.api ?? '', ...secrets, LOG_LEVEL: 'warn' }, (line) => logged.push(line))
    // On a busy machine a service that has just started answers 503 for a moment.
    await untilSo(async () => (await tested.client.admin('GET', '/admin/v1/partners')).status === 200)
    const { partnerId } = (await makeApiWorld(tested.client)).whiteLabel
    const calls: [string, string, object?][] = [
      ...ADMIN_LISTS.map((path): [string, string] => ['GET', `/admin/v1/${path}`]),
      ['GET', '/admin/v1/exports?month=2026-01&format=csv'],
      ['GET', `/admin/v1/statements/${partnerId}/2026-01`],
      ['GET', `/admin/v1/explain?partner=${partnerId}&metric=ai_tokens&start_date=2026-01-01&end_date=2026-01-31`],
      ['POST', '/admin/v1/audits'],
      ['POST', '/admin/v1/signing-keys', {}],
      ['POST', '/admin/v1/keys/rewrap'],
      ['POST', '/api/secrets', { key: 'OF_USERS', value: 'v' }],
      ['POST', '/admin/v1/rejected-events/drop', { before: '2026-01' }],
      ['POST', '/admin/v1/rebuilds', { month: '2026-03' }],
    ]
    const outcomes: unknown[] = []
    for (const [method, path, body] of calls) {
      const { status, text } = await tested.client.admin(method, path, body)
      if (status >= 300) outcomes.push([method, path, status, text])
    }
    await tested.stop()
    expect(outcomes).toEqual([])
    expect(logged.filter((line) => line.includes('privileges'))).toEqual([])
  })

  inOrder('each part writes through every inbox that it may write, fence and views included', async () => {
    for (const part of ['ingest', 'aggregate', 'api'] as const) {
      const clickhouse = await open(part)
      for (const { table, columns, fields } of FENCED_INBOXES) {
        const log = `users/${part}/${table}`
        const outcome = await acquireLease(clickhouse, log)
        if (outcome.status !== 'acquired') throw new Error('The lease was not acquired.')
        const { epoch, owner } = outcome.lease
        const text = row([log, epoch, owner, ...fields(1, log)])
        const insert = clickhouse.control.insert({ table, columns: ['log', 'epoch', 'owner', ...columns], text, tag: leaseTag(log) })
        if (grantsOf(part)['INSERT']?.includes(table)) await insert
        else await expect(insert, `${part} ${table}`).rejects.toMatchObject({ code: ACCESS_DENIED_CODE })
      }
    }
  })

  inOrder('each part may remove the rows that it removes, and no others', async () => {
    for (const part of ['ingest', 'aggregate', 'api'] as const) {
      const { control } = await open(part)
      for (const name of ['raw_usage_events_v1', 'statements_v1', 'audit_log_v1', 'statement_lines_v1', 'export_rows_v1', 'project_usage_per_day_v1']) {
        const drop = control.command(`ALTER TABLE ${name} DROP PARTITION ID '197001'`)
        if (grantsOf(part)['ALTER DELETE']?.includes(name)) await drop
        else await expect(drop, `${part} ${name}`).rejects.toMatchObject({ code: ACCESS_DENIED_CODE })
      }
      await control.command('TRUNCATE TABLE identity_hash_months_v1')
    }
  })

  /** Otherwise a late insert of the former owner could land after the new one has read what is stored, and count twice. */
  inOrder('a part that acquires a lease sees and kills the running insert of another user', async () => {
    const [ingest, api] = [await open('ingest'), await open('api')]
    const log = 'users/killed'
    const { lease } = (await acquireLease(ingest, log)) as { lease: { epoch: number; owner: string } }
    const slow = ingest.work
      .command(
        `INSERT INTO log_positions_inbox_v1 (log, epoch, owner, first, through) SELECT '${log}', ${lease.epoch}, '${lease.owner}', number, number FROM numbers(100) WHERE sleepEachRow(1) = 0 SETTINGS max_block_size = 1, log_comment = '${leaseTag(log)}'`,
      )
      .catch((thrown: unknown) => thrown)
    await untilSo(async () => (await api.control.query(running, { tag: leaseTag(log) }))[0]?.running !== 0)
    expect((await acquireLease(api, log)).status).toBe('acquired')
    expect(await slow).toMatchObject({ code: 394 })
  })
})

const INBOX = /_inbox_v\d+$/

const running = defineQuery({
  name: 'test_running_inserts',
  sql: `SELECT count() AS running FROM system.processes WHERE Settings['log_comment'] = {tag: String}`,
  params: z.object({ tag: z.string() }),
  row: z.object({ running: z.coerce.number() }),
})

/** The tables of the database that the user of this part has each privilege on, sorted. */
function grantsOf(part: DatabaseUser): Record<string, string[]> {
  const name = DATABASE_USERS[part]
  const block = new RegExp(`<${name}>(.*?)</${name}>`, 's').exec(XML)?.[1] ?? ''
  const grants: Record<string, string[]> = {}
  for (const [, privileges = '', on = ''] of block.matchAll(/<query>GRANT (.+?) ON (\S+)<\/query>/g)) {
    if (on.startsWith('system.')) continue
    for (const privilege of privileges.split(', ')) grants[privilege] = [...(grants[privilege] ?? []), on.replace(/^meterline\./, '')].sort()
  }
  return grants
}

/** The files that these import, directly or not, and they themselves; imports of types run nothing. */
function closureOf(roots: readonly string[], sources: ReadonlyMap<string, SourceFile>): Set<string> {
  const seen = new Set<string>()
  const waiting = [...roots]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const file = sources.get(path)
    if (seen.has(path) || file === undefined) continue
    seen.add(path)
    const typesOnly = new Set([...file.text.matchAll(/^import type [^']*'(\.[^']+)'/gm)].map((match) => match[1]))
    const folder = dirname(path)
    waiting.push(...file.imports.filter((name) => name.startsWith('.') && !typesOnly.has(name)).map((name) => normalize(join(folder, name))))
  }
  return seen
}

/** Without comments, which name tables too. */
function codeOf(file: SourceFile | undefined): string {
  return (file?.text ?? '').replace(/^\s*(?:\/\/|\*|\/\*).*$/gm, '')
}

function tables(text: string, pattern: RegExp): Set<string> {
  return new Set([...text.matchAll(pattern)].map((match) => match.slice(1).find((each) => each !== undefined) ?? ''))
}

function onlyWritten(text: string, name: string): boolean {
  return !new RegExp(`(?<!DELETE )(?:FROM|JOIN|IN)\\s+\\(?${name}\\b`).test(text) && new RegExp(`(?:INTO |table: '|write\\(')${name}\\b`).test(text)
}
