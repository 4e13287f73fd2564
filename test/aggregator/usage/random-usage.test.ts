import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { METRIC_NAMES } from '../../../metering/metrics.ts'
import type { Credentials, TestEvent } from '../../support/clients/client.ts'
import {
  DEFINED_METRICS,
  defineTestedMetrics,
  isAmendable,
  LABELLED_METRICS,
  labelMetrics,
  TESTED_LABELS,
  withValueOfKind,
} from '../../support/oracles/defined-metrics.ts'
import { labelsFromOracle } from '../../support/oracles/labelled-usage.ts'
import { byteDaysFromOracle, differencesFromOracle, Oracle } from '../../support/oracles/oracle.ts'
import { ReplacedUsage, replacement } from '../../support/worlds/replaced-usage.ts'
import { type TestCorrection, toSend } from '../../support/worlds/store-corrections.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const SEED = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)
const RUNS = Number(process.env['USAGE_WORLDS'] ?? 6)
const FIRST_DAY_MS = Date.UTC(2025, 11, 25)
const DAYS = 100

let tested: TestService
beforeAll(async () => {
  tested = await startTestService()
  await tested.client.createIngestKey()
  await defineTestedMetrics(tested.client)
  await labelMetrics(tested.client, LABELLED_METRICS, TESTED_LABELS)
})
afterAll(() => tested.stop())

/** Integers far above 2^53 and nine decimals, as strings; small ones also as JSON numbers. */
const quantity = fc.oneof(
  fc
    .tuple(fc.bigInt({ min: 0n, max: 10n ** 29n - 1n }), fc.integer({ min: 1, max: 999_999_999 }))
    .map(([whole, fraction]) => `${whole}.${String(fraction).padStart(9, '0')}`),
  fc.integer({ min: 0, max: 1_000_000 }),
  fc.integer({ min: 0, max: 99_999 }).map((cents) => cents / 100),
)

const timestamp = fc
  // Some are the same, of which the later in the log is the latest sample.
  .tuple(
    fc.oneof(
      fc.integer({ min: 0, max: DAYS * 86_400_000 - 1 }),
      fc.constantFrom(10, 11, 40).map((day) => day * 86_400_000),
    ),
    fc.constantFrom('Z', '+05:30', '-08:00'),
  )
  .map(([ms, zone]) => inZone(FIRST_DAY_MS + ms, zone))

/** None, some or all of the declared labels. A copy of an event may have others: those of the first one count. */
const label = fc.constantFrom('a', 'b', 'c"\\', '(other)')
const labels = fc.option(fc.record({ model: label, region: label }, { requiredKeys: [] }), { nil: undefined })

/** Other metrics declare none, so that theirs are ignored. */
function withLabelsOfMetric({ labels: declared, ...event }: TestEvent): TestEvent {
  if (declared === undefined) return event
  return { ...event, labels: LABELLED_METRICS.includes(event.metric) ? declared : { ...declared, color: 'red' } }
}

const event = (prefix: string): fc.Arbitrary<TestEvent> =>
  fc
    .record({
      event_id: fc.integer({ min: 0, max: 60 }).map((id) => `id \\ '${id}'`),
      project_id: fc.constantFrom(`${prefix}-a`, `${prefix}-b`, `${prefix}-a-b`),
      metric: fc.constantFrom(...METRIC_NAMES, ...DEFINED_METRICS.map(({ metric }) => metric)),
      value: quantity,
      timestamp,
      labels,
    })
    .map(withValueOfKind)
    .map(withLabelsOfMetric)

/** Voids and amendments. An event of a metric that counts events or texts can only be voided. */
const correction = (oracle: Oracle, events: readonly TestEvent[]): fc.Arbitrary<TestCorrection> =>
  fc
    .record({ event: fc.constantFrom(...events), value: fc.option(quantity.map(String), { nil: undefined }) })
    .map(({ event: { project_id, event_id }, value }) => ({
      ...{ project_id, corrects: event_id },
      ...(value === undefined || !isAmendable(oracle.metricOf(project_id, event_id) ?? '') ? {} : { value }),
    }))

test(`P2 P3 P6: for random events, corrections, replaced days and periods every number of both usage endpoints matches the oracle (seed ${SEED})`, {
  timeout: 360_000,
}, async () => {
  let run = 0
  let corrected = 0
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.gen(), async (_, gen) => {
      run += 1
      const prefix = `run${run}`
      const partner = await tested.client.createPartner(prefix)
      const projects = [`${prefix}-a`, `${prefix}-b`, `${prefix}-a-b`]
      for (const id of projects) await tested.client.registerProject(id, partner.partnerId)
      const oracle = new Oracle()
      const replaced = new ReplacedUsage(tested.client, oracle)
      const metrics = [...METRIC_NAMES, ...DEFINED_METRICS.map(({ metric }) => metric)]
      for (const batch of gen(() => fc.array(fc.array(event(prefix), { minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 6 }))) {
        expect((await tested.client.send(batch)).status).toBe(200)
        oracle.add(batch)
        const corrections = gen(() => fc.array(correction(oracle, batch), { minLength: 1, maxLength: 6 }))
        for (const each of corrections) oracle.correct(each)
        const sent = corrections.map((each, index) => toSend(each, `c${corrected + index}`))
        corrected += sent.length
        expect((await tested.client.send(sent)).body).toMatchObject({ accepted: `${sent.length}`, rejected: [] })
        // Of a metric and from a day that this batch has, so that there is usage to replace.
        const firstDay = fc.constantFrom(...batch.map((each) => new Date(each.timestamp).toISOString().slice(0, 10)))
        const used = metrics.filter((metric) => batch.some((each) => each.metric === metric))
        const ofBatch = { projects, metrics: [...used, 'ai_tokens'], firstDay, value: quantity, labels }
        for (const each of gen(() => fc.array(replacement(ofBatch), { maxLength: 1 }))) await replaced.apply(each)
      }
      for (let period = 0; period < 3; period += 1) {
        const days = gen(() => fc.tuple(fc.nat(DAYS), fc.nat(DAYS)))
          .sort((a, b) => a - b)
          .map((day) => dayAt(FIRST_DAY_MS + (day - 1) * 86_400_000)) as [string, string]
        const keys = [...TESTED_LABELS, TESTED_LABELS.toReversed()][period] ?? []
        expect(await compare(oracle, partner, projects, days, [keys].flat())).toEqual([])
      }
    }),
    { seed: SEED, numRuns: RUNS, endOnFailure: true },
  )
  expect((await tested.client.audit()).body.differences).toEqual([])
})

async function compare(
  oracle: Oracle,
  partner: Credentials,
  projectIds: readonly string[],
  [from, to]: readonly [string, string],
  keys: readonly string[],
): Promise<string[]> {
  const period = `start_date=${from}&end_date=${to}&include=byte_days`
  const projects = new Map<string, unknown>()
  const differences: string[] = []
  for (const id of projectIds) {
    const { body } = await tested.client.partner(partner, 'GET', `/${id}/usage?${period}&group_by=${keys.join()}`)
    projects.set(id, body)
    differences.push(...byteDaysFromOracle(oracle, [id], body), ...labelsFromOracle(oracle, [id], keys, body))
  }
  const { body } = await tested.client.partner(partner, 'GET', `/usage?${period}&group_by=${keys.join()}`)
  differences.push(...byteDaysFromOracle(oracle, projectIds, body), ...labelsFromOracle(oracle, projectIds, keys, body))
  return [...differencesFromOracle(oracle, { projects, partnership: body.summary, defined: body.metrics ?? {} }, from, to), ...differences]
}

function inZone(ms: number, zone: string): string {
  const sign = zone.startsWith('-') ? -1 : 1
  const offsetMs = zone === 'Z' ? 0 : sign * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6))) * 60_000
  return new Date(ms + offsetMs).toISOString().replace('Z', zone)
}

function dayAt(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}
