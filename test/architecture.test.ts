import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'
import { findCircle } from './support/find-circle.ts'
import { findMissingFileNames } from './support/named-files.ts'
import { FOLDERS, pathOf, ROOT, readSources, type SourceFile } from './support/source-files.ts'
import { VENDORS } from './support/vendors.ts'

/** The modules, and the modules that each may import. No other module may exist. */
const MODULES: Record<string, readonly string[]> = {
  metering: [],
  contract: ['metering'],
  emitter: [],
  sql: ['metering'],
  outgoing: ['metering'],
  registry: ['contract', 'sql', 'outgoing', 'metering'],
  ingest: ['contract', 'sql', 'metering'],
  aggregator: ['contract', 'sql', 'registry', 'metering'],
  automation: ['contract', 'aggregator', 'registry', 'sql', 'outgoing', 'metering'],
  api: ['contract', 'automation', 'aggregator', 'registry', 'ingest', 'sql', 'metering'],
  service: ['contract', 'api', 'automation', 'aggregator', 'registry', 'ingest', 'sql', 'outgoing', 'metering'],
  cli: ['contract', 'emitter', 'service', 'metering'],
  dashboard: ['contract', 'metering'],
  demo: ['contract', 'emitter', 'service', 'metering'],
  bench: ['contract', 'emitter', 'test', 'service', 'demo', 'cli', 'api', 'aggregator', 'registry', 'ingest', 'sql', 'metering'],
  test: ['contract', 'emitter', 'demo', 'cli', 'bench', 'service', 'api', 'automation', 'aggregator', 'registry', 'ingest', 'sql', 'outgoing', 'metering'],
}

/** The folders of a module, and the other folders of it that each may import. A module without an entry has no such order. */
const FOLDERS_WITHIN: Record<string, Record<string, readonly string[]>> = {
  ingest: {
    event: [],
    source: [],
    log: ['event', 'source'],
    rejected: ['event', 'log'],
    http: ['event', 'log', 'source'],
    kafka: ['event', 'source', 'log', 'rejected', 'http'],
    repair: ['log', 'http', 'kafka', 'source'],
  },
}

/** The only files that a module may import from another one. Without an entry here, it may import all of them. */
const DOORS: Record<string, Record<string, readonly string[]>> = {
  api: {
    ingest: [
      'log/event-log.ts',
      'event/arrival.ts',
      'event/cloud-event.ts',
      'event/decode-body.ts',
      'event/known-metrics.ts',
      'event/pipeline.ts',
      'event/unpack.ts',
      'event/validate-events.ts',
      'repair/rebuild-rollup.ts',
      'rejected/drop-rejected.ts',
      'rejected/rejected-events.ts',
      'rejected/resend-rejected.ts',
      'log/corrected-days.ts',
      'log/detect-duplicates.ts',
      'kafka/audit-topic.ts',
      'kafka/incarnation.ts',
      'kafka/list-logs.ts',
      'kafka/replay-logs.ts',
      'kafka/reset-logs.ts',
      'kafka/topic.ts',
      'source/source-in-force.ts',
      'kafka/source-logs.ts',
      'kafka/switch-source.ts',
    ],
    sql: ['clickhouse.ts', 'errors.ts', 'limited-reads.ts', 'run-between-batches.ts'],
  },
  service: {
    ingest: [
      'event/known-metrics.ts',
      'log/event-log.ts',
      'log/identity-index.ts',
      'log/trace-batch.ts',
      'http/http-log.ts',
      'repair/move-slot.ts',
      'repair/rebuild-rollup.ts',
      'repair/restored-shard.ts',
      'kafka/open-kafka.ts',
      'kafka/kafkajs-topic.ts',
    ],
    sql: [
      ...['clickhouse.ts', 'errors.ts', 'limited-reads.ts', 'migrate.ts', 'pinned-places.ts'],
      ...['change-shard-map.ts', 'coordinating-database.ts', 'open-shards.ts', 'pin-shards.ts', 'prepare-shards.ts', 'shard-map.ts', 'shards.ts'],
    ],
  },
  cli: {
    service: [
      'run.ts',
      'start-service.ts',
      'migrate-store.ts',
      'rebuild-offline.ts',
      'change-shards.ts',
      'secret-files.ts',
      'count-parquet.ts',
      'document-configuration.ts',
      'document-focus-columns.ts',
    ],
  },
  demo: { service: ['closers.ts', 'config.ts', 'open-logging.ts', 'signals.ts', 'start-service.ts'] },
  bench: {
    test: [
      'support/engines/clickhouse-cluster.ts',
      'support/engines/clickhouse-server.ts',
      'support/engines/kafka-broker.ts',
      'support/engines/postgres-server.ts',
      'support/engines/spawn-bound.ts',
      'support/query-trace.ts',
      'support/clients/browser.ts',
      'support/clients/dashboard.ts',
    ],
  },
}
const files = readSources()

/** Files of which a module may import only types: queries belong to the modules below it. */
const TYPES_ONLY: Record<string, readonly string[]> = {
  api: ['sql/clickhouse.ts', 'sql/limited-reads.ts'],
  // Schemas would bring zod into the browser, which is larger than all the rest.
  dashboard: files.filter(({ module, imports }) => module === 'contract' && imports.includes('zod')).map(pathOf),
}

const FILE_LINES_MAX = 300
const LONGER_FILES: readonly string[] = []
/** These tests need the clock: for a kill at a random moment, and in the chaos for the pace of the load and a sleeping zombie. */
const WAIT_BY_THE_CLOCK: readonly string[] = ['test/chaos/clock.ts', 'test/crash/kill.test.ts']
const PROMISES = ['P1', 'P2', 'P3', 'P4', 'P5', 'P6', 'P7', 'P8']
const READS_ENVIRONMENT = ['cli/meterline.ts', 'demo/demo.ts', 'bench/bench.ts']
/** Parameters of ClickHouse's HTTP interface, which its client sends the way it sends settings. */
const SENDS_HTTP_PARAMETERS = 'sql/server-session.ts'
const PRINTS = ['cli', 'demo', 'bench', 'test']

describe('the modules', () => {
  test('every file is in a module', () => {
    expect(files.filter(({ module }) => MODULES[module] === undefined).map(pathOf)).toEqual([])
  })

  test('modules import only the modules and files that they may', () => {
    const against = files.flatMap(({ path, module, imports }) =>
      imports
        .filter((name) => name.startsWith('.'))
        .map((name) => normalize(join(dirname(path), name)))
        .filter((target) => target.includes('/') && !mayImport(module, target))
        .map((target) => `${path} imports ${target}`),
    )
    expect(against).toEqual([])
  })

  test('the folders within a module import only the folders that they may', () => {
    const against = files.flatMap((file) =>
      localImports(file)
        .filter((target) => !mayImportWithin(file.path, target))
        .map((target) => `${file.path} imports ${target}`),
    )
    expect(against).toEqual([])
  })

  test('files of which a module may import only types are imported with import type', () => {
    const against = files.flatMap(({ path, module, text }) =>
      [...text.matchAll(/^import (?!type )[^']*'(\.[^']+)'/gm)]
        .map((match) => normalize(join(dirname(path), match[1] ?? '')))
        .filter((target) => TYPES_ONLY[module]?.includes(target))
        .map((target) => `${path} imports ${target}`),
    )
    expect(against).toEqual([])
  })

  test('contract and metering run in browsers, workers, Bun and Deno, because they use nothing of Node', () => {
    const nodeGlobals = /\b(?:Buffer|process|global|setImmediate)[.(]\w|\b__dirname\b/
    expect(
      files.filter(({ module, text, imports }) => ['contract', 'metering'].includes(module) && (imports.some(isOfNode) || nodeGlobals.test(text))).map(pathOf),
    ).toEqual([])
  })

  test('metering is pure: it uses no file, no system clock and no network', () => {
    expect(
      files.filter(({ module, text, imports }) => module === 'metering' && (imports.some(isOfNode) || /\b(Date\.now|fetch)\(/.test(text))).map(pathOf),
    ).toEqual([])
  })

  test('there are no circular imports', () => {
    expect(findCircle(new Map(files.map((file) => [file.path, localImports(file)])))).toEqual([])
  })

  test('every package is imported only where it may be', () => {
    const against = files.flatMap(({ path, module, imports }) =>
      imports
        .filter((name) => !name.startsWith('.') && !isOfNode(name))
        .map(packageOf)
        .filter((vendor) => VENDORS[vendor]?.some((place) => place === module || place === path || path.startsWith(`${place}/`)) !== true)
        .map((vendor) => `${path} imports ${vendor}`),
    )
    expect(against).toEqual([])
  })
})

describe('the files', () => {
  test(`no file is longer than ${FILE_LINES_MAX} lines`, () => {
    const long = files.filter(({ text }) => text.trimEnd().split('\n').length > FILE_LINES_MAX)
    expect(long.map(pathOf), 'exactly the exceptions').toEqual(LONGER_FILES)
  })

  test('no file is a drawer, such as utils, helpers or common', () => {
    expect(files.filter(({ path }) => /(^|\/)(utils?|helpers?|common|misc|manager|service-utils|types|index)\.ts$/.test(path)).map(pathOf)).toEqual([])
  })

  test('only files that start a process read its environment', () => {
    const readers = files.filter(({ path, module, text }) => module !== 'test' && /process\.env\b/.test(text) && !READS_ENVIRONMENT.includes(path))
    expect(readers.map(pathOf)).toEqual([])
  })

  test('only programs print to the console; all other modules log', () => {
    expect(files.filter(({ module, text }) => !PRINTS.includes(module) && /console\.\w+\(/.test(text)).map(pathOf)).toEqual([])
  })

  test('only the listed tests wait for the clock; all others wait for a condition', () => {
    const waits = files.filter(({ path, text }) => /^test\/(?!support\/|architecture)/.test(path) && /\bset(?:Timeout|Interval)\(|timers\/promises/.test(text))
    expect(waits.map(pathOf), 'exactly the exceptions').toEqual(WAIT_BY_THE_CLOCK)
  })

  test('every promise from P1 to P8 is proven by a test with its name', () => {
    const titles = files.flatMap(({ path, text }) =>
      path.endsWith('.test.ts') ? [...text.matchAll(/\b(?:test|describe)\S*\(['`"](.*)/g)].map(([title]) => title) : [],
    )
    expect(PROMISES.filter((promise) => !titles.some((title) => title.includes(`${promise}:`) || title.includes(`${promise} `)))).toEqual([])
  })

  test('settings of queries are part of the SQL text, where they do not leak into later statements', () => {
    expect(
      files.filter(({ path, module, text }) => module !== 'test' && path !== SENDS_HTTP_PARAMETERS && text.includes('clickhouse_settings')).map(pathOf),
    ).toEqual([])
  })

  test('names of queries and statements are in snake case and unique', () => {
    const names = files.flatMap(({ text }) => [...text.matchAll(/define(?:Query|Statement)\(\{\s*name: '([^']*)'/g)].map((match) => match[1] ?? ''))
    expect(names.filter((name) => !/^[a-z][a-z0-9_]*$/.test(name))).toEqual([])
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
    expect(names.length).toBeGreaterThan(10)
  })
})

describe('documents and the container image', () => {
  test('comments, messages and documents name only files that exist', () => {
    expect(findMissingFileNames(ROOT, FOLDERS)).toEqual([])
  })

  test('the container image gets every module that the command line may reach', () => {
    const needed = new Set(['cli'])
    for (const module of needed) for (const below of MODULES[module] ?? []) needed.add(below)
    const sent = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n')
    expect([...needed].filter((module) => !sent.includes(`!${module}`))).toEqual([])
  })
})

function isOfNode(name: string): boolean {
  return name.startsWith('node:')
}

function mayImport(module: string, target: string): boolean {
  const [to = '', ...rest] = target.split('/')
  if (to === module) return true
  if (MODULES[module]?.includes(to) !== true) return false
  const door = DOORS[module]?.[to]
  return door === undefined || door.includes(rest.join('/'))
}

function mayImportWithin(path: string, target: string): boolean {
  const [[module = '', from = ''], [ofModule, to = '']] = [path.split('/'), target.split('/')]
  const order = FOLDERS_WITHIN[module]
  return order === undefined || module !== ofModule || from === to || order[from]?.includes(to) === true
}

function packageOf(name: string): string {
  const parts = name.split('/')
  return name.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '')
}

function localImports({ path, imports }: SourceFile): string[] {
  return imports.filter((name) => name.startsWith('.')).map((name) => normalize(join(dirname(path), name)))
}
