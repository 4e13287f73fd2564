import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { readMigrations } from '../sql/migrate.ts'
import { findCircle } from './support/find-circle.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Rooms and what each may import. A room that is not here may not exist. */
const ROOMS: Record<string, readonly string[]> = {
  metering: [],
  contract: ['metering'],
  sql: ['metering'],
  outgoing: ['metering'],
  registry: ['contract', 'sql', 'outgoing', 'metering'],
  ingest: ['sql', 'metering'],
  aggregator: ['contract', 'sql', 'registry', 'metering'],
  api: ['contract', 'aggregator', 'registry', 'ingest', 'sql', 'metering'],
  service: ['contract', 'api', 'aggregator', 'registry', 'ingest', 'sql', 'outgoing', 'metering'],
  cli: ['contract', 'service', 'registry', 'metering'],
  demo: ['contract', 'service', 'cli', 'api', 'metering'],
  bench: ['contract', 'test', 'service', 'demo', 'cli', 'api', 'aggregator', 'registry', 'ingest', 'sql', 'metering'],
  test: ['contract', 'bench', 'demo', 'cli', 'service', 'api', 'aggregator', 'registry', 'ingest', 'sql', 'outgoing', 'metering'],
}

/** Where a room does not see the whole of another: the only files it may import there. */
const DOORS: Record<string, Record<string, readonly string[]>> = {
  api: {
    ingest: [
      'log/event-log.ts',
      'event/decode-body.ts',
      'event/pipeline.ts',
      'repair/rebuild-rollup.ts',
      'rejected/rejected-events.ts',
      'rejected/resend-rejected.ts',
      'log/detect-duplicates.ts',
      'kafka/audit-topic.ts',
      'kafka/incarnation.ts',
      'kafka/list-logs.ts',
      'kafka/replay-logs.ts',
      'kafka/reset-logs.ts',
      'kafka/topic.ts',
    ],
    sql: ['clickhouse.ts', 'errors.ts', 'limited-reads.ts', 'run-between-batches.ts'],
  },
  service: {
    ingest: ['log/event-log.ts', 'http/http-log.ts', 'repair/rebuild-rollup.ts', 'kafka/open-kafka.ts', 'kafka/kafkajs-topic.ts'],
    sql: ['clickhouse.ts', 'errors.ts', 'limited-reads.ts', 'migrate.ts'],
  },
  cli: { service: ['run.ts', 'start-service.ts', 'migrate-store.ts', 'rebuild-offline.ts', 'count-parquet.ts'], registry: ['audit-chain.ts', 'audit-log.ts'] },
  bench: { test: ['support/engines/kafka-broker.ts', 'support/query-trace.ts'] },
}
/** Of these an importer sees the types alone: who asks the store a question does so through a room that holds queries. */
const TYPES_ONLY: Record<string, readonly string[]> = { api: ['sql/clickhouse.ts', 'sql/limited-reads.ts'] }

/** Each vendor has one room, some one file. What is not listed may be imported by none. */
const VENDORS: Record<string, readonly string[]> = {
  '@clickhouse/client': ['sql'],
  autocannon: ['bench'],
  '@duckdb/node-api': ['test/support/engines/duckdb.ts'],
  chdb: ['sql', 'test/support/engines/clickhouse-server-main.ts'],
  zod: Object.keys(ROOMS),
  kafkajs: ['ingest/kafka/kafkajs-topic.ts', 'ingest/kafka/kafkajs-reader.ts', 'ingest/kafka/kafkajs-read-once.ts', 'ingest/kafka/codecs.ts', 'test', 'bench'],
  'kafkajs-snappy': ['ingest/kafka/codecs.ts'],
  'lz4-napi': ['ingest/kafka/codecs.ts'],
  fzstd: ['ingest/kafka/codecs.ts'],
  testcontainers: ['test'],
  'lossless-json': ['metering/exact-json.ts'],
  'date-fns': ['metering'],
  '@date-fns/utc': ['metering'],
  uuid: ['registry'],
  jose: ['registry', 'test'],
  fastify: ['api'],
  'fastify-type-provider-zod': ['api'],
  '@fastify/cors': ['api'],
  '@fastify/helmet': ['api'],
  '@fastify/rate-limit': ['api'],
  '@fastify/swagger': ['api'],
  '@fastify/swagger-ui': ['api'],
  '@fastify/under-pressure': ['api'],
  'prom-client': ['api'],
  pino: ['service', 'demo', 'bench', 'test'],
  commander: ['cli', 'demo'],
  'cli-table3': ['cli', 'demo', 'bench'],
  'cli-progress': ['demo'],
  'fast-check': ['test'],
  standardwebhooks: ['test'],
  vitest: ['test'],
}

const FILE_LINES_MAX = 300
const LONGER_FILES: readonly string[] = []
/** A kill at a random moment is the one thing a test may wait for by the clock; in the chaos the pace of the load and a sleeping zombie, too. */
const WAIT_BY_THE_CLOCK: readonly string[] = ['test/chaos/clock.ts', 'test/crash/kill.test.ts']
const PROMISES_KEPT = ['P1', 'P2', 'P3', 'P4', 'P5', 'P6', 'P7', 'P8']
const SEES_ENVIRONMENT = ['cli/meterline.ts', 'demo/demo.ts', 'bench/bench.ts']
const PRINTS = ['cli', 'demo', 'bench', 'test']

interface SourceFile {
  readonly path: string
  readonly room: string
  readonly text: string
  readonly imports: readonly string[]
}

const NOT_OURS = ['node_modules', 'data', 'coverage']

const files = readdirSync(ROOT, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && !NOT_OURS.includes(entry.name))
  .flatMap(({ name }) => readdirSync(join(ROOT, name), { recursive: true, encoding: 'utf8' }).map((path) => join(name, path)))
  .filter((path) => path.endsWith('.ts'))
  .sort()
  .map(readSource)

describe('the rooms', () => {
  test('every file stands in a room', () => {
    expect(files.filter(({ room }) => ROOMS[room] === undefined).map(pathOf)).toEqual([])
  })

  test('imports go one way', () => {
    const against = files.flatMap(({ path, room, imports }) =>
      imports
        .filter((name) => name.startsWith('.'))
        .map((name) => normalize(join(dirname(path), name)))
        .filter((target) => target.includes('/') && !mayImport(room, target))
        .map((target) => `${path} imports ${target}`),
    )
    expect(against).toEqual([])
  })

  test('what is open to types alone is imported as types', () => {
    const against = files.flatMap(({ path, room, text }) =>
      [...text.matchAll(/^import (?!type )[^']*'(\.[^']+)'/gm)]
        .map((match) => normalize(join(dirname(path), match[1] ?? '')))
        .filter((target) => TYPES_ONLY[room]?.includes(target))
        .map((target) => `${path} imports ${target}`),
    )
    expect(against).toEqual([])
  })

  test('contract runs in browsers, workers, Bun and Deno: it uses nothing of Node', () => {
    const nodeGlobals = /\b(?:Buffer|process|global|setImmediate)[.(]\w|\b__dirname\b/
    expect(files.filter(({ room, text, imports }) => room === 'contract' && (imports.some(isOfNode) || nodeGlobals.test(text))).map(pathOf)).toEqual([])
  })

  test('metering is pure: it reads no file, no clock of the system and no network', () => {
    expect(
      files.filter(({ room, text, imports }) => room === 'metering' && (imports.some(isOfNode) || /\b(Date\.now|fetch)\(/.test(text))).map(pathOf),
    ).toEqual([])
  })

  test('no file imports itself by a detour', () => {
    expect(findCircle(new Map(files.map((file) => [file.path, localImports(file)])))).toEqual([])
  })

  test('each vendor has one room', () => {
    const strangers = files.flatMap(({ path, room, imports }) =>
      imports
        .filter((name) => !name.startsWith('.') && !isOfNode(name))
        .map(packageOf)
        .filter((vendor) => VENDORS[vendor]?.some((place) => place === room || place === path) !== true)
        .map((vendor) => `${path} imports ${vendor}`),
    )
    expect(strangers).toEqual([])
  })
})

describe('the files', () => {
  test(`none is longer than ${FILE_LINES_MAX} lines`, () => {
    const long = files.filter(({ text }) => text.trimEnd().split('\n').length > FILE_LINES_MAX)
    expect(long.map(pathOf), 'exactly the exceptions').toEqual(LONGER_FILES)
  })

  test('none is a drawer', () => {
    expect(files.filter(({ path }) => /(^|\/)(utils?|helpers?|common|misc|manager|service-utils|types|index)\.ts$/.test(path)).map(pathOf)).toEqual([])
  })

  test('only where a process starts is the environment read', () => {
    const readers = files.filter(({ path, room, text }) => room !== 'test' && /process\.env\b/.test(text) && !SEES_ENVIRONMENT.includes(path))
    expect(readers.map(pathOf)).toEqual([])
  })

  test('only programs print; the rest logs', () => {
    expect(files.filter(({ room, text }) => !PRINTS.includes(room) && /console\.\w+\(/.test(text)).map(pathOf)).toEqual([])
  })

  test('tests wait for a condition, not for the clock', () => {
    const waits = files.filter(({ path, text }) => /^test\/(?!support\/|architecture)/.test(path) && /\bset(?:Timeout|Interval)\(|timers\/promises/.test(text))
    expect(waits.map(pathOf), 'exactly the exceptions').toEqual(WAIT_BY_THE_CLOCK)
  })

  test('every promise is proven by tests of its name', () => {
    const titles = files.flatMap(({ path, text }) =>
      path.endsWith('.test.ts') ? [...text.matchAll(/\b(?:test|describe)\S*\(['`"](.*)/g)].map(([title]) => title) : [],
    )
    expect(PROMISES_KEPT.filter((promise) => !titles.some((title) => title.includes(`${promise}:`) || title.includes(`${promise} `)))).toEqual([])
  })

  test('settings stand in SQL text, where they do not leak into later statements', () => {
    expect(files.filter(({ room, text }) => room !== 'test' && text.includes('clickhouse_settings')).map(pathOf)).toEqual([])
  })

  test('query names are in snake case and used once', () => {
    const names = files.flatMap(({ text }) => [...text.matchAll(/defineQuery\(\{\s*name: '([^']*)'/g)].map((match) => match[1] ?? ''))
    expect(names.filter((name) => !/^[a-z][a-z0-9_]*$/.test(name))).toEqual([])
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
    expect(names.length).toBeGreaterThan(10)
  })
})

describe('the migrations', async () => {
  const migrations = await readMigrations()
  const statements = migrations.flatMap((migration) => migration.statements)
  const inboxes = statements.filter((statement) => /ENGINE = Null\b/.test(statement))

  test('are numbered without a gap and named NNN_verb_object_vN', () => {
    expect(migrations.map(({ number }) => number)).toEqual(migrations.map((_, index) => index + 1))
    expect(migrations.filter(({ name }) => !/^(create|alter|drop|add)_[a-z0-9_]+_v\d+$/.test(name)).map(({ name }) => name)).toEqual([])
  })

  test('can be run again: every statement is idempotent', () => {
    expect(statements.filter((statement) => !/ IF (NOT )?EXISTS /.test(statement))).toEqual([])
  })

  test('name every table and view with its version', () => {
    const created = statements.filter((statement) => /^\s*CREATE /.test(statement))
    const names = created.map((statement) => / (?:TABLE|VIEW) IF NOT EXISTS (\w+)/.exec(statement)?.[1] ?? statement)
    expect(names.filter((name) => !/_v\d+$/.test(name))).toEqual([])
  })

  test('make every table that stores anything durable', () => {
    const stored = statements.filter((statement) => /CREATE TABLE/.test(statement) && !/ENGINE = Null\b/.test(statement))
    expect(stored.filter((statement) => !statement.includes('fsync_after_insert = 1') || !statement.includes('fsync_part_directory = 1'))).toEqual([])
  })

  test('put the fence behind every inbox', () => {
    const unfenced = inboxes.filter((inbox) => {
      const name = / EXISTS (\w+)/.exec(inbox)?.[1]
      const views = statements.filter((statement) => new RegExp(`CREATE MATERIALIZED VIEW[^;]*FROM ${name}\\b`).test(statement))
      return views.length !== 1 || !/throwIf\(\s*\(log, epoch, owner\) NOT IN \(SELECT log, epoch, owner FROM log_owners_v1/.test(views[0] ?? '')
    })
    expect(unfenced).toEqual([])
    expect(inboxes.length).toBeGreaterThan(4)
  })
})

describe('the documents', () => {
  const documents = readdirSync(ROOT).filter((name) => name.endsWith('.md'))
  const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

  test('name only files that exist', () => {
    const inText = new RegExp(`\\b(?:${Object.keys(ROOMS).join('|')})/[\\w./-]+\\.(?:ts|sql)\\b`, 'g')
    const named = documents.flatMap((document) => {
      const links = [...read(document).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => match[1] ?? '')
      const paths = [...read(document).matchAll(inText)].map(([path]) => path)
      return [...links, ...paths].filter((path) => !path.includes('NNN_') && !existsSync(join(ROOT, path))).map((path) => `${document} names ${path}`)
    })
    expect(named).toEqual([])
  })

  test('list every variable of the configuration', () => {
    const variables = [...read('service/config.ts').matchAll(/^ {2}([A-Z][A-Z_]+):/gm)].map((match) => match[1] ?? '')
    expect(variables.filter((name) => !new RegExp(`^(?:# )?${name}=`, 'm').test(read('.env.example')))).toEqual([])
    expect(variables.filter((name) => !read('README.md').includes(`| \`${name}\` |`))).toEqual([])
    expect(variables.length).toBeGreaterThan(8)
  })
})

function readSource(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), 'utf8')
  const imports = [...text.matchAll(/^(?:import|export)\s[^'"]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm)]
  return { path, room: path.split('/')[0] ?? '', text, imports: imports.map((match) => match[1] ?? match[2] ?? match[3] ?? '') }
}

function pathOf({ path }: SourceFile): string {
  return path
}

function isOfNode(name: string): boolean {
  return name.startsWith('node:')
}

function mayImport(room: string, target: string): boolean {
  const [to = '', ...rest] = target.split('/')
  if (to === room) return true
  if (ROOMS[room]?.includes(to) !== true) return false
  const door = DOORS[room]?.[to]
  return door === undefined || door.includes(rest.join('/'))
}

function packageOf(name: string): string {
  const parts = name.split('/')
  return name.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '')
}

function localImports({ path, imports }: SourceFile): string[] {
  return imports.filter((name) => name.startsWith('.')).map((name) => normalize(join(dirname(path), name)))
}
