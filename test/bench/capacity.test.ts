import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CapacityInputs, type CapacityPlan, capacityOf } from '../../bench/capacity/capacity.ts'
import { parsePlan, reportCapacity } from '../../bench/capacity/capacity-command.ts'
import { inputsOf, newestShardsRun } from '../../bench/capacity/capacity-inputs.ts'
import { reportText } from '../../bench/report.ts'
import { keepResult } from '../../bench/results.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

/** Round numbers, so that every result can be computed in the head. */
const INPUTS: CapacityInputs = {
  ingestCpuSecondsPerMillion: 10,
  serversCpuSecondsPerMillion: 20,
  bytesPerEvent: 50,
  bytesPerRollupRow: 20,
  metrics: 10,
  ingestBytes: 500e6,
  filterBitsPerIdentity: 16,
  filterBytesMax: 1e9,
  betweenBytesPerRollupRow: 40,
  closingSecondsPerMillion: 2,
  measuredCores: 2,
  queryBytesMax: 18e9,
}
/** A thousand million events in 86,400 s are 11,574/s, and twice as many in the busiest hour. */
const PLAN: CapacityPlan = { eventsPerDay: 1e9, projects: 1e6, cores: 1, memoryBytes: 64e9, diskBytes: 10e12 }

describe('what a load needs', () => {
  test('is a shard for every core that the servers need and may use, or for every disk of a year, whichever are more', () => {
    const capacity = capacityOf(INPUTS, PLAN)
    expect(capacity.eventsPerSecond).toBeCloseTo(23_148.15, 2)
    // 23,148/s x 20 µs are 0.463 cores, of which a shard may use a half: 0.93.
    expect(capacity.shardsByCpu).toBe(1)
    // A day: 10^9 x 50 B, and 10^6 projects x 10 metrics x 20 B.
    expect(capacity.diskBytesPerYear).toBe(365 * (50e9 + 0.2e9))
    // 18.3 TB on disks of 7 TB.
    expect([capacity.shardsByDisk, capacity.shards]).toEqual([3, 3])
    const slower = capacityOf({ ...INPUTS, serversCpuSecondsPerMillion: 200 }, PLAN)
    expect([slower.shardsByCpu, slower.shards]).toEqual([10, 10])
  })

  test('is processes of one core each, half busy, and a multiple of the shards as partitions', () => {
    // 23,148/s x 100 µs are 2.3 cores: five processes. Ten partitions would not be a multiple of three shards.
    const { processes, partitions, shards } = capacityOf({ ...INPUTS, ingestCpuSecondsPerMillion: 100 }, PLAN)
    expect([processes, shards, partitions]).toEqual([5, 3, 12])
  })

  test('is memory for the filters, whose room for identities ends before the disk: that is the first bottleneck', () => {
    const { limits, processes, processBytes, processesOfFilterYear, serverBytes } = capacityOf(INPUTS, PLAN)
    // A filter of 10^9 bytes has room for 5 x 10^8 identities.
    expect([processes, processBytes, processesOfFilterYear, serverBytes]).toEqual([1, 1.5e9, 730, 18e9])
    expect(limits.map(({ what }) => what)).toEqual(['filter', 'disk'])
    expect(limits[0]?.days).toBe(0.5)
    expect(limits[1]?.days).toBeCloseTo((3 * 7e12) / 50.2e9, 6)
    expect(capacityOf({ ...INPUTS, filterBitsPerIdentity: 1e-3 }, PLAN).limits[0]?.what).toBe('disk')
  })

  test('is what the other shards send the first one, and the cores for closing', () => {
    const { betweenBytesPerRefresh, closingSeconds } = capacityOf(INPUTS, PLAN)
    // Two thirds of the 10^7 rows of a day are on other shards.
    expect(betweenBytesPerRefresh).toBeCloseTo((1e7 * 40 * 2) / 3, 3)
    // 3 x 10^10 events take 60,000 s on two cores; three shards have one and a half cores to spare.
    expect(closingSeconds).toBe(80_000)
  })

  test('of a small load is one shard, one process and two partitions, and nothing is sent', () => {
    const capacity = capacityOf(INPUTS, { ...PLAN, eventsPerDay: 1_000, projects: 10 })
    expect(capacity).toMatchObject({ shards: 1, processes: 1, partitions: 2, betweenBytesPerRefresh: 0 })
    // No more rows than events.
    expect(capacity.diskBytesPerYear).toBe(365 * (1_000 * 50 + 100 * 20))
  })
})

describe('the command', () => {
  const directory = makeTemporaryDirectory()
  const FIGURES = {
    two_ingest_cpu_per_million_seconds: 12,
    two_servers_cpu_per_million_seconds: 15,
    raw_per_event_bytes: 30,
    index_per_event_bytes: 13,
    rollup_per_row_bytes: 12,
    rollup_rows: 400_000,
    two_ingest_rss_bytes: 500e6,
    two_filter_bytes: 3e6,
    two_first_days_between_bytes: 8e6,
    two_closing_small_p50_ms: 200,
    two_closing_large_p50_ms: 400,
    counted_events: 600_000,
    all_projects: 5_000,
    small_partner_projects: 50,
    large_partner_projects: 1_200,
  }
  const machine = { cpu: 'a processor', cores: 2, memory_gib: 24, node: '20.20.2', engine: 'chdb 3.4.0' }
  const keep = (at: string, size: 'small' | 'stated', figures: Record<string, number>) =>
    keepResult(directory.path, { measurement: 'shards', at, size, machine, figures })
  beforeAll(() => {
    keep('2026-01-01T00:00:00Z', 'stated', { ...FIGURES, raw_per_event_bytes: 99 })
    keep('2026-01-02T00:00:00Z', 'stated', FIGURES)
    keep('2026-01-03T00:00:00Z', 'small', {})
  })
  afterAll(() => directory.remove())

  test('takes every measured input from the newest kept run of shards that is not small', () => {
    const { file, result } = newestShardsRun(directory.path)
    expect(file).toBe('20260102T000000Z-shards-stated.json')
    expect(inputsOf(result)).toEqual({
      ...{ ingestCpuSecondsPerMillion: 12, serversCpuSecondsPerMillion: 15, bytesPerEvent: 43, bytesPerRollupRow: 12, metrics: 9 },
      ...{ ingestBytes: 497e6, filterBitsPerIdentity: 14, filterBytesMax: 1024 ** 3, queryBytesMax: 18 * 1024 ** 3, measuredCores: 2 },
      betweenBytesPerRollupRow: 40,
      // 200 ms for the 138,000 events of 1,150 projects.
      closingSecondsPerMillion: 0.2 / 0.138,
    })
    const { two_filter_bytes: _, ...incomplete } = FIGURES
    expect(() => inputsOf({ figures: incomplete, machine })).toThrow('no figure two_filter_bytes')
    expect(() => inputsOf({ figures: { ...FIGURES, two_closing_small_p50_ms: 400 }, machine })).toThrow('too few events')
  })

  test('prints each result beside its arithmetic, and the run that it is computed from', () => {
    const plan = parsePlan({ 'events-per-day': '1000000000' })
    if (plan === undefined) throw new Error('The plan is valid.')
    const { report, run } = reportCapacity(directory.path, plan)
    const text = reportText(report, run.machine)
    expect(text).toContain('bench/results/20260102T000000Z-shards-stated.json')
    expect(text).toContain('365 x (1,000,000,000 x 43 B + 900,000 rows x 12 B)')
    expect(text).toContain('15.7')
    expect(text).toMatch(/the filters of identities are full \| .* days, the first bottleneck/)
    expect(report.figures).toMatchObject({ shards_by_cpu: 1, shards_by_disk: 6, shards: 6 })
  })

  test('rejects a load that is not a number above 0, and a folder without a kept run', () => {
    expect(parsePlan({ 'events-per-day': '0' })).toBeUndefined()
    expect(parsePlan({ cores: 'many' })).toBeUndefined()
    expect(() => newestShardsRun(fileURLToPath(new URL('.', import.meta.url)))).toThrow('npm run bench -- shards')
  })
})
