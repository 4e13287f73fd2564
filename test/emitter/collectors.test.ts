import { linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { collectFolderSizes } from '../../emitter/collectors/folder-sizes.ts'
import { advanceSlots, type LastSlots } from '../../emitter/collectors/gaps.ts'
import { collectListingSizes } from '../../emitter/collectors/listing-sizes.ts'
import { collectPlatformStats, type PlatformOptions } from '../../emitter/collectors/platform-stats.ts'
import { collectPostgresSizes } from '../../emitter/collectors/postgres-sizes.ts'
import { projectByPattern, projectByTable } from '../../emitter/collectors/project-names.ts'
import type { WireEvent } from '../../emitter/event.ts'
import { VirtualClock } from '../support/emitter/virtual-clock.ts'
import { POSTGRES, startPostgres } from '../support/engines/postgres-server.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

const directory = makeTemporaryDirectory()
afterAll(() => directory.remove())

const HOUR_MS = 3_600_000
const at = (time: string) => Date.parse(`2026-11-28T${time}Z`)
const sizesOf = (samples: readonly WireEvent[]) => Object.fromEntries(samples.map(({ project_id, value }) => [project_id, value]))
async function* chunksOf(...texts: readonly string[]) {
  for (const text of texts) yield Buffer.from(text)
}

if ('missing' in POSTGRES) console.info(`skipped: the sizes of a PostgreSQL server, because ${POSTGRES.missing}`)
describe.skipIf('missing' in POSTGRES)('sizes of a PostgreSQL server', () => {
  test('each database is a sample of its slot, databases of one project are added, and a password is only in the environment', async () => {
    const server = await startPostgres()
    try {
      for (const name of ['app_one', 'app_two', '"app_Drei ß"', 'archive_two', 'hidden']) server.query(`CREATE DATABASE ${name}`)
      for (const role of ['meter', 'stranger']) server.query(`CREATE ROLE ${role} LOGIN PASSWORD 'only-in-env'`)
      server.query('REVOKE CONNECT ON DATABASE app_two FROM PUBLIC')
      server.query('GRANT pg_read_all_stats TO meter')
      const sizes = Object.fromEntries(
        server
          .query('SELECT datname, pg_database_size(oid) FROM pg_database')
          .trim()
          .split('\n')
          .map((line) => line.split('|')),
      )
      const projectOf = projectByTable({ app_one: 'one', app_two: 'two', 'app_Drei ß': 'three', archive_two: 'two' })
      const environment = { ...server.environment, PGUSER: 'meter', PGPASSWORD: 'only-in-env' }
      const options = { environment, projectOf, slotMs: HOUR_MS, nowMs: at('10:59:59.999') }
      const { samples, failures, ignored } = await collectPostgresSizes(options)
      expect(sizesOf(samples)).toEqual({
        one: sizes['app_one'],
        two: String(Number(sizes['app_two']) + Number(sizes['archive_two'])),
        three: sizes['app_Drei ß'],
      })
      expect(samples[0]).toMatchObject({ event_id: 'gauge/database_size_bytes/3600000/2026-11-28T10:00:00.000Z', metric: 'database_size_bytes' })
      expect([failures, ignored]).toEqual([[], [{ reason: 'names without a project', count: 2, examples: ['hidden', 'postgres'] }]])
      // The sum of the databases that this role sees would be too small.
      const asStranger = await collectPostgresSizes({ ...options, environment: { ...environment, PGUSER: 'stranger' } })
      expect(Object.keys(sizesOf(asStranger.samples))).toEqual(['three', 'one'])
      expect(asStranger.failures).toMatchObject([{ source: 'app_two', message: expect.stringContaining('pg_read_all_stats') }])
      const wrong = await collectPostgresSizes({ ...options, environment: { ...environment, PGPASSWORD: 'wrong-secret' } }).catch(String)
      expect(wrong).toMatch(/password authentication failed/)
      expect(wrong).not.toContain('wrong-secret')
      await expect(collectPostgresSizes({ ...options, environment: { ...environment, PGPASSWORD: undefined } })).rejects.toThrow('no password supplied')
    } finally {
      await server.stop()
    }
  })
})

test.each(['postgresql://u:secret@db/postgres', 'host=db password=secret'])('a password in the connection string %s is rejected', async (connection) => {
  const call = collectPostgresSizes({ connection, environment: {}, projectOf: projectByTable({}), slotMs: HOUR_MS, nowMs: 0 })
  await expect(call).rejects.toThrow('PGPASSWORD')
})

test('the size of a folder has every file once, follows no link, and misses no project silently', async () => {
  const folder = join(directory.path, 'store')
  mkdirSync(join(folder, 'p1/deep/deeper'), { recursive: true })
  mkdirSync(join(folder, 'p2'))
  mkdirSync(join(folder, 'lost+found'))
  writeFileSync(join(folder, 'p1/a'), 'x'.repeat(1000))
  writeFileSync(join(folder, 'p1/deep/deeper/b'), 'x'.repeat(24))
  linkSync(join(folder, 'p1/a'), join(folder, 'p1/deep/same'))
  symlinkSync(folder, join(folder, 'p1/loop'))
  writeFileSync(join(folder, 'loose'), 'x')
  const options = { folder, projectOf: projectByPattern('^(?<project>p\\d)$'), slotMs: 900_000, nowMs: at('10:20:00') }
  const { samples, failures, ignored } = await collectFolderSizes(options)
  expect(sizesOf(samples)).toEqual({ p1: '1024', p2: '0' })
  expect(samples[0]?.event_id).toBe('gauge/file_storage_bytes/900000/2026-11-28T10:15:00.000Z')
  expect([failures, ignored]).toEqual([[], [{ reason: 'names without a project', count: 1, examples: ['lost+found'] }]])
  rmSync(folder, { recursive: true })
  await expect(collectFolderSizes(options)).rejects.toThrow('There is no folder ')
})

describe('the listing of a bucket', () => {
  const list = (...texts: string[]) =>
    collectListingSizes({ chunks: chunksOf(...texts), projectOf: projectByPattern('^(?<project>[^/]+)/'), slotMs: HOUR_MS, nowMs: at('10:00:00') })

  test.each([
    ['NDJSON', ['{"Key":"a/1","Size":9007199254740991}\n{"Key":"a/2","Si', 'ze":9}\n{"Key":"b/1","Size":"7"}\n']],
    ['rclone lsjson', ['[\n{"Path":"a/1","Size":9007199254741000,"IsDir":false},\n', '{"Path":"a","Size":-1,"IsDir":true},\n{"Path":"b/1","Size":7}\n]\n']],
    ['CSV', ['Key,Size\r\n"a/1, ""x""",9007199254740999\r\na/,1\r\nb/1,7']],
    ['tabs', ['a/1\t9007199254741000\nb/1,2\t7\n\n']],
  ])('as %s is summed per project with all digits', async (form, texts) => {
    if (form === 'rclone lsjson') texts = texts.map((text) => text.replace('9007199254741000', '"9007199254741000"'))
    expect(sizesOf((await list(...texts)).samples)).toEqual({ a: '9007199254741000', b: '7' })
  })

  test.each([
    ['', 'no objects'],
    ['[\n{"Path":"a/1","Size":1},\n', 'cut off'],
    ['a/1,5\na/2\n', 'Line 2'],
    ['{"Key":"a/1","Size":1}\n{"Key":"a/2"}\n', 'Line 2'],
    ['{"Key":"a/1","Size":9007199254740993}\n', 'Line 1'],
    ['a/1,-5\n', 'Line 1'],
  ])('%j fails as a whole, because a sum would be too small', async (text, message) => {
    await expect(list(text)).rejects.toThrow(message)
  })
})

describe('the stats of a platform', () => {
  type Answer = { status?: number; body: unknown }
  const now = at('12:10:00')
  /** A platform that answers by the hour and counts what it is asked. */
  const platform = (answer: (host: string, hour: string) => Answer) => {
    const asked: string[] = []
    const fetch: PlatformOptions['fetch'] = async (url) => {
      const { hostname, pathname, searchParams } = new URL(url)
      const [start, end] = [searchParams.get('start_date') ?? '', searchParams.get('end_date') ?? '']
      expect([pathname, Date.parse(end) - Date.parse(start)]).toEqual(['/api/usage/stats', HOUR_MS])
      asked.push(`${hostname} ${start.slice(11, 16)}`)
      const { status = 200, body } = answer(hostname, start.slice(11, 13))
      return new Response(typeof body === 'string' ? body : JSON.stringify(body), { status })
    }
    return { asked, fetch }
  }
  const stats = (calls: unknown) => ({ mcp_usage_count: calls, database_size_bytes: 100, storage_size_bytes: '200', user_count: 3 })
  const source = (project_id: string) => ({ project_id, url: `https://${project_id}.test/`, headers: () => ({ authorization: 'Bearer t' }) })
  const collect = (options: Partial<PlatformOptions> & Pick<PlatformOptions, 'sources' | 'fetch'>) => {
    const clock = new VirtualClock(now)
    return clock.until(collectPlatformStats({ slotMs: HOUR_MS, clock, ...options }))
  }

  test('are the calls of the last hour that is over, and the sizes of now', async () => {
    const { asked, fetch } = platform(() => ({ body: stats(5) }))
    const { samples, failures, countedThroughMs } = await collect({ sources: [source('a')], fetch })
    expect([asked, failures, countedThroughMs.get('a')]).toEqual([['a.test 11:00'], [], at('12:00:00')])
    expect(samples.map(({ event_id, value }) => [event_id, value])).toEqual([
      ['gauge/database_size_bytes/3600000/2026-11-28T12:00:00.000Z', '100'],
      ['gauge/file_storage_bytes/3600000/2026-11-28T12:00:00.000Z', '200'],
      ['stats/mcp_calls/3600000/2026-11-28T11:00:00.000Z', '5'],
    ])
    // Within five minutes of its end an hour may not be complete.
    const early = platform(() => ({ body: stats(5) }))
    await collect({ sources: [source('a')], fetch: early.fetch, clock: new VirtualClock(at('12:04:59')) })
    expect(early.asked).toEqual(['a.test 10:00'])
  })

  test('are read for missed hours too, an hour without calls is no event, and a failed hour is where the next collection begins', async () => {
    const { asked, fetch } = platform((_, hour) => (hour === '09' ? { status: 404, body: 'x' } : { body: stats(hour === '07' ? 0 : 2) }))
    const { samples, failures, countedThroughMs } = await collect({ sources: [source('a')], fetch, countedThroughMs: () => at('07:00:00') })
    expect(asked).toEqual(['a.test 11:00', 'a.test 07:00', 'a.test 08:00', 'a.test 09:00'])
    expect(samples.filter(({ metric }) => metric === 'mcp_calls').map(({ timestamp }) => timestamp.slice(11, 13))).toEqual(['11', '08'])
    expect([failures, countedThroughMs.get('a')]).toEqual([[expect.objectContaining({ source: 'a', message: expect.stringContaining('404') })], at('09:00:00')])
  })

  test('of a source that fails are missing, and those of the others are not', async () => {
    const bad: Record<string, Answer> = {
      'down.test': { status: 503, body: '' },
      'text.test': { body: '<html>' },
      'field.test': { body: { mcp_usage_count: 1, database_size_bytes: 1 } },
      'negative.test': { body: stats(-1) },
      'float.test': { body: stats(1.5) },
      'rounded.test': { body: '{"mcp_usage_count":9007199254740993,"database_size_bytes":1,"storage_size_bytes":1}' },
    }
    const { asked, fetch } = platform((host) => bad[host] ?? { body: stats(1) })
    const names = [...Object.keys(bad).map((host) => host.replace('.test', '')), ...Array.from({ length: 20 }, (_, index) => `good${index}`)]
    const without = {
      ...source('secretless'),
      headers: () => {
        throw new Error('There is no token.')
      },
    }
    const { samples, failures, countedThroughMs } = await collect({ sources: [without, ...names.map(source)], fetch })
    expect(new Set(samples.map(({ project_id }) => project_id))).toEqual(new Set(names.filter((name) => name.startsWith('good'))))
    expect(failures.map((each) => each.source).sort()).toEqual(['secretless', ...Object.keys(bad).map((host) => host.replace('.test', ''))].sort())
    expect(asked.filter((each) => each.startsWith('down')).length, 'attempts').toBe(3)
    expect(countedThroughMs.get('down')).toBe(at('11:00:00'))
  })
})

test('slots without a sample are gaps, once, per project and metric', () => {
  const sample = (project_id: string, time: string): WireEvent => ({
    event_id: 'x',
    project_id,
    metric: 'database_size_bytes',
    value: '1',
    timestamp: new Date(at(time)).toISOString(),
  })
  const first = advanceSlots(new Map() as LastSlots, [sample('a', '01:00:00'), sample('b', '01:00:00')], HOUR_MS)
  expect(first.gaps).toEqual([])
  // What could not be sent earlier comes with the next samples.
  const second = advanceSlots(first.last, [sample('b', '03:00:00'), sample('a', '04:00:00'), sample('b', '02:00:00')], HOUR_MS)
  expect(second.gaps).toEqual([{ project_id: 'a', metric: 'database_size_bytes', from: '2026-11-28T02:00:00.000Z', to: '2026-11-28T04:00:00.000Z' }])
  expect(advanceSlots(second.last, [sample('a', '04:00:00'), sample('a', '05:00:00')], HOUR_MS).gaps).toEqual([])
})

test.each([
  ['(', 'not a regular expression'],
  ['^app_(.+)$', 'no group (?<project>'],
])('the pattern %s is rejected: %s', (pattern, message) => {
  expect(() => projectByPattern(pattern)).toThrow(message)
})
