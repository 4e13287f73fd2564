import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { figuresOfAll, measureAll } from '../../bench/measure-all.ts'
import { compareResults, keepResult, lastCommitted, type Result, roundFigures } from '../../bench/results.ts'
import { Closers } from '../../service/closers.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

const MACHINE = { cpu: 'a processor', cores: 2, memory_gib: 24, node: '20.20.2', engine: 'chdb 3.4.0' }

function resultOf(at: string, figures: Record<string, number>, more: Partial<Result> = {}): Result {
  return { measurement: 'peers', at, size: 'stated', machine: MACHINE, figures, ...more }
}

describe('kept results', () => {
  const directory = makeTemporaryDirectory()
  const folder = join(directory.path, 'results')
  const git = (...args: string[]) => execFileSync('git', ['-C', directory.path, '-c', 'user.name=a', '-c', 'user.email=a@b.c', ...args], { stdio: 'pipe' })

  beforeAll(() => {
    git('init', '-q')
    keepResult(folder, resultOf('2026-01-02T00:00:00Z', { ratio_a: 2 }))
    keepResult(folder, resultOf('2026-01-01T00:00:00Z', { ratio_a: 1 }))
    keepResult(folder, resultOf('2026-01-04T00:00:00Z', { ratio_a: 4 }, { size: 'full' }))
    git('add', '.')
    git('commit', '-qm', 'results')
    keepResult(folder, resultOf('2026-01-03T00:00:00Z', { ratio_a: 3 }))
  })
  afterAll(() => directory.remove())

  test('a run is compared with the last committed one of its measurement and size, and not with one that is not committed', () => {
    expect(lastCommitted(folder, { measurement: 'peers', size: 'stated' })?.figures).toEqual({ ratio_a: 2 })
    expect(lastCommitted(folder, { measurement: 'peers', size: 'full' })?.figures).toEqual({ ratio_a: 4 })
    expect(lastCommitted(folder, { measurement: 'peers', size: 'stated', events: 5 })).toBeUndefined()
    expect(lastCommitted(folder, { measurement: 'api', size: 'stated' })).toBeUndefined()
    expect(lastCommitted(join(directory.path, 'absent'), { measurement: 'peers', size: 'stated' })).toBeUndefined()
  })

  test('the comparison shows each ratio then and now, those of one run only too, and that the machine was another', () => {
    const before = resultOf('2026-01-01T00:00:00Z', { ratio_a: 2, ratio_gone: 1, peers_ms: 5 })
    const now = resultOf('2026-01-02T00:00:00Z', { ratio_a: 3, ratio_new: 7 }, { machine: { ...MACHINE, cores: 4 } })
    const { title, rows } = compareResults(before, now)
    expect(title).toBe('Compared with the committed run of 2026-01-01T00:00:00Z, which ran on another machine')
    expect(rows).toEqual([
      ['ratio_a', '2.00', '3.00', '+50 %'],
      ['ratio_gone', '1.00', 'none', ''],
      ['ratio_new', 'none', '7.00', ''],
    ])
    expect(compareResults(before, before).title).not.toContain('another machine')
  })

  test('figures are kept with four digits, and what was not measured is left out', () => {
    expect(roundFigures({ a_ms: 123.456, ratio_b: 0.000123456, c_ms: Number.NaN })).toEqual({ a_ms: 123.5, ratio_b: 0.0001235 })
  })

  test('the committed results can be read, and name neither a host nor a path', () => {
    const results = fileURLToPath(new URL('../../bench/results/', import.meta.url))
    for (const name of readdirSync(results).filter((each) => each.endsWith('.json'))) {
      const text = readFileSync(join(results, name), 'utf8')
      expect(Object.keys(JSON.parse(text)).filter((key) => !['measurement', 'at', 'size', 'events', 'machine', 'figures'].includes(key))).toEqual([])
      expect(text).not.toMatch(/\/(?:tmp|home|work|root)\b|hostname/)
    }
  })
})

describe('all measurements in one run', () => {
  const reportOf = (name: string, figures: Record<string, number>) => ({ name, figures, notes: [], tables: [] })

  test('ratios keep their names, other figures get the name of their measurement, and no two are the same', () => {
    expect(figuresOfAll([reportOf('api', { ratio_a: 1, p50_ms: 2 }), reportOf('http', { p50_ms: 3 })])).toEqual({ ratio_a: 1, api_p50_ms: 2, http_p50_ms: 3 })
    expect(() => figuresOfAll([reportOf('api', { ratio_a: 1 }), reportOf('http', { ratio_a: 2 })])).toThrow('ratio_a')
  })

  test('one that fails is reported, and the others run, each with its small number of events', async () => {
    const seen: (number | undefined)[] = []
    const measurements = {
      broken: { what: '', measure: () => Promise.reject(new Error('there is no broker')) },
      api: {
        what: '',
        smallEvents: 7,
        measure: async ({ events }: { events: number | undefined }) => {
          seen.push(events)
          return reportOf('api', { ratio_a: 1 })
        },
      },
    }
    const run = { progress: () => {}, full: false, small: true }
    const { reports, failed } = await measureAll(measurements, run, new Closers())
    expect([reports.map(({ name }) => name), [...failed], seen]).toEqual([['api'], [['broken', 'there is no broker']], [7]])
  })
})
