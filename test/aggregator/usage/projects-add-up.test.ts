import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addDecimals } from '../../../metering/exact-decimal.ts'
import { METRIC_NAMES, METRICS, type MetricName, PEAK_METRICS } from '../../../metering/metrics.ts'
import { dayAfter } from '../../../metering/period.ts'
import type { Credentials, TestEvent } from '../../support/clients/client.ts'
import { DEFINED_METRICS, defineTestedMetrics, withValueOfKind } from '../../support/oracles/defined-metrics.ts'
import { byteDaysFromOracle, Oracle } from '../../support/oracles/oracle.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const SEED = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)
const RUNS = Number(process.env['USAGE_WORLDS'] ?? 8)
const PROJECTS = ['a', 'b', 'c', 'd', 'e']
const DAYS = ['2026-01-30', '2026-01-31', '2026-02-01', '2026-02-02', '2026-02-03']

let tested: TestService
beforeAll(async () => {
  tested = await startTestService()
  await tested.client.createIngestKey()
  await defineTestedMetrics(tested.client)
})
afterAll(() => tested.stop())

/** Few days and mostly small values, so that days tie, and that a project's greatest day is often not the partnership's. */
const value = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 3 }) },
  fc
    .tuple(fc.bigInt({ min: 0n, max: 10n ** 29n - 1n }), fc.integer({ min: 1, max: 999_999_999 }))
    .map(([whole, part]) => `${whole}.${String(part).padStart(9, '0')}`),
)

const world = fc.record({
  events: fc.array(
    fc.record({
      project: fc.constantFrom(...PROJECTS),
      metric: fc.constantFrom<string>(...PEAK_METRICS, ...METRIC_NAMES, 'seats', 'seats', ...DEFINED_METRICS.map(({ metric }) => metric)),
      day: fc.constantFrom(...DAYS),
      value,
    }),
    { maxLength: 60, size: 'max' },
  ),
  deleted: fc.subarray(PROJECTS),
  period: fc.tuple(fc.nat(DAYS.length - 1), fc.nat(DAYS.length - 1)),
  limit: fc.integer({ min: 1, max: 6 }),
})

/** The greatest days of the projects are 2 and 3, on different days; together they have 3 and, on the next two days, 4. */
const APART = {
  events: [
    ['a', 0, 2],
    ['b', 0, 1],
    ['a', 1, 1],
    ['b', 1, 3],
    ['a', 2, 2],
    ['b', 2, 2],
  ].map(([project, day, size]) => {
    return { project: String(project), metric: 'database_size_bytes', day: DAYS[Number(day)] ?? '', value: Number(size) }
  }),
  deleted: ['b'],
  period: [0, 4] as [number, number],
  limit: 1,
}

interface Listed {
  readonly id: string
  readonly status: string
  readonly summary: Record<string, string>
  readonly metrics?: Record<string, { readonly value: string }>
  readonly on_peak_days: Record<string, string> & { readonly metrics?: Record<string, string> }
}

test(`P3 P6: over all pages the projects add up to the partnership's totals, peaks and byte-days, deleted ones included (seed ${SEED})`, async () => {
  let run = 0
  let apart = 0
  await fc.assert(
    fc.asyncProperty(world, async ({ events, deleted, period, limit }) => {
      run += 1
      const named = (project: string) => `add-up-${run}-${project}`
      const ids = PROJECTS.map(named)
      const partner = await tested.client.createPartner(`Adds up ${run}`)
      await register(partner, ids)
      const sent: TestEvent[] = events.map(({ project, metric, day, value }, index) => {
        return withValueOfKind({ event_id: `${index}`, project_id: named(project), metric, value, timestamp: `${day}T12:00:00Z` })
      })
      if (sent.length > 0) expect((await tested.client.send(sent)).status).toBe(200)
      if (deleted.length > 0) await register(partner, deleted.map(named), { status: 'deleted' })
      const oracle = new Oracle()
      oracle.add(sent)

      const [from, to] = period.sort((one, other) => one - other).map((index) => DAYS[index]) as [string, string]
      const usageOf = async (first: string, last: string) =>
        (await tested.client.partner(partner, 'GET', `/usage?include=daily,byte_days&start_date=${first}&end_date=${last}`)).body
      const whole = await usageOf(from, to)
      const { summary, metrics = {}, peak_days } = whole
      expect(byteDaysFromOracle(oracle, ids, whole)).toEqual([])
      if (from < to) expect(byteDaySums([await usageOf(from, from), await usageOf(dayAfter(from), to)])).toEqual(byteDaySums([whole]))
      const listed = await listAll(partner, { from, to, limit }, peak_days)
      expect(listed.map(({ id }) => id).sort()).toEqual(ids)
      expect(listed.filter(({ status }) => status === 'deleted')).toHaveLength(deleted.length)
      for (const metric of METRIC_NAMES) {
        const { kind, partnershipName, projectSummaryName } = METRICS[metric]
        const values = listed.map((project) => (kind === 'peak' ? project.on_peak_days : project.summary)[projectSummaryName])
        expect([metric, sumOf(values)]).toEqual([metric, summary[partnershipName]])
        if (kind === 'peak') apart += sumOf(listed.map((project) => project.summary[projectSummaryName])) === summary[partnershipName] ? 0 : 1
      }
      for (const { metric, kind } of DEFINED_METRICS) {
        const used = metrics[metric]?.value ?? '0'
        const values = listed.map((project) => (kind === 'peak' ? project.on_peak_days.metrics?.[metric] : project.metrics?.[metric]?.value) ?? '0')
        expect([metric, used, sumOf(values)]).toEqual([metric, oracle.partnership(ids, from, to, metric), used])
      }
      const day = oracle.peakDay(ids, from, to, 'seats')
      expect(peak_days.metrics).toEqual(day === null ? undefined : { seats: day })
      for (const { id, on_peak_days } of listed) expect(on_peak_days.metrics).toEqual(day === null ? undefined : { seats: oracle.onDay(id, day, 'seats') })
      for (const metric of PEAK_METRICS) {
        const day = oracle.peakDay(ids, from, to, metric)
        expect([metric, peak_days[METRICS[metric].partnershipName]]).toEqual([metric, day])
        for (const { id, on_peak_days } of listed) expect([id, metric, on_peak_days[summaryName(metric)]]).toEqual([id, metric, oracle.onDay(id, day, metric)])
      }
    }),
    { seed: SEED, numRuns: RUNS, endOnFailure: true, examples: [[APART]] },
  )
  // Otherwise the sums above would say nothing that the sums of the summaries do not say.
  expect(apart).toBeGreaterThan(0)
})

async function register({ partnerId }: Credentials, ids: readonly string[], more: object = {}): Promise<void> {
  const projects = ids.map((id) => ({ id, partner_id: partnerId, name: id, ...more }))
  expect((await tested.client.admin('POST', '/admin/v1/projects/batch', { projects })).status).toBe(200)
}

async function listAll(partner: Credentials, { from, to, limit }: { from: string; to: string; limit: number }, peakDays: unknown): Promise<Listed[]> {
  const listed: Listed[] = []
  let cursor: string | null = null
  do {
    const query = `include=on_peak_days&start_date=${from}&end_date=${to}&limit=${limit}${cursor === null ? '' : `&cursor=${cursor}`}`
    const { status, body } = await tested.client.partner(partner, 'GET', `/projects?${query}`)
    expect([status, body.peak_days]).toEqual([200, peakDays])
    listed.push(...body.projects)
    cursor = body.next_cursor
  } while (cursor !== null)
  return listed
}

/** The sums and the days of several answers together, by metric. */
function byteDaySums(answers: readonly { byte_days: readonly { metric: string; value: string; days_with_samples: string }[] }[]): unknown {
  const all = answers.flatMap(({ byte_days }) => byte_days)
  return PEAK_METRICS.map((metric) => {
    const ofMetric = all.filter((each) => each.metric === metric)
    return [metric, sumOf(ofMetric.map(({ value }) => value)), ofMetric.reduce((days, each) => days + Number(each.days_with_samples), 0)]
  })
}

function summaryName(metric: MetricName): string {
  return METRICS[metric].projectSummaryName
}

function sumOf(values: readonly (string | undefined)[]): string {
  return values.reduce<string>((sum, each) => addDecimals(sum, each ?? 'missing'), '0')
}
