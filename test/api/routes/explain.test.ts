import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addDecimals } from '../../../metering/exact-decimal.ts'
import { METRICS, type MetricName } from '../../../metering/metrics.ts'
import type { Credentials } from '../../support/clients/client.ts'
import { type RawEvent, storeRawEvents } from '../../support/worlds/store-raw-events.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const SEED = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)

/** For each kind, one metric with events and one without. */
const EXPLAINED: readonly MetricName[] = ['database_size_bytes', 'ai_tokens', 'file_storage_bytes', 'mcp_calls']

let tested: TestService
let ours: Credentials
let theirs: Credentials
beforeAll(async () => {
  tested = await startTestService()
  const { client } = tested
  await client.createIngestKey()
  ours = await client.createPartner('Ours')
  theirs = await client.createPartner('Theirs')
  await client.registerProject('a', ours.partnerId, { name: 'Shop A' })
  await client.registerProject('b', ours.partnerId, { name: 'Shop B' })
  await client.registerProject('foreign', theirs.partnerId)
  await store([
    // The 10th: 100 + 50 = 150. The 11th: 80 + 60 = 140.
    ['a', 'a10', 'database_size_bytes', '2026-01-10T08:00:00Z', '100', '2026-01-10T08:00:01Z'],
    ['b', 'b10', 'database_size_bytes', '2026-01-10T09:00:00Z', '50', '2026-01-10T09:00:01Z'],
    ['a', 'a11', 'database_size_bytes', '2026-01-11T08:00:00Z', '80', '2026-01-11T23:59:59.999Z'],
    ['b', 'b11', 'database_size_bytes', '2026-01-11T09:00:00Z', '60', '2026-01-11T09:00:01Z'],
    // Late, because it was received at the first instant after its day, but it changes nothing: a's 10th already has 100.
    ['a', 'late-10', 'database_size_bytes', '2026-01-10T23:00:00Z', '10', '2026-01-11T00:00:00Z'],
    // Late, after the closing on 3 February: b's 11th becomes 90, so 80 + 90 = 170 is the new peak, on another day: 20 more.
    ['b', 'late-11', 'database_size_bytes', '2026-01-11T10:00:00Z', '90', '2026-02-05T00:00:00Z'],
    ['foreign', 'f', 'database_size_bytes', '2026-01-12T10:00:00Z', '9999', '2026-01-12T10:00:00Z'],
    // Tokens: a 5 + 2.5 late, b 7.
    ['a', 't1', 'ai_tokens', '2026-01-05T10:00:00Z', '5', '2026-01-05T10:00:00Z'],
    ['a', 't2', 'ai_tokens', '2026-01-06T10:00:00Z', '2.5', '2026-01-20T10:00:00Z'],
    ['b', 't3', 'ai_tokens', '2026-01-06T11:00:00Z', '7', '2026-01-06T12:00:00Z'],
  ])
  await tested.service.clickhouse.control.command(
    `INSERT INTO statements_v1 SETTINGS async_insert=0
     SELECT '${ours.partnerId}', '2026-01', 'c1', toDateTime64('2026-02-03 00:00:00', 3, 'UTC'), 'operator', toDateTime64('2026-02-03 00:00:00', 3, 'UTC'), 0, '', ['2026-01'], [1], now64(3), []`,
  )
  await client.partner(ours, 'DELETE', '/b')
})
afterAll(() => tested.stop())

const store = (events: readonly RawEvent[]) => storeRawEvents(tested.service.clickhouse, events)
const JANUARY = 'start_date=2026-01-01&end_date=2026-01-31'
const explain = (query: string, who = ours) => tested.client.partner(who, 'GET', `/usage/explain?${JANUARY}&${query}`)

describe('a peak of the partnership', () => {
  test('a partnership peak is explained by its day, the value of each project on that day, and the late events that changed it', async () => {
    const { status, body } = await explain('metric=database_bytes')
    expect(status).toBe(200)
    expect(body).toEqual({
      metric: 'database_size_bytes',
      kind: 'peak',
      unit: 'byte',
      rule: expect.stringMatching(/^database_size_bytes is a peak: for each UTC day .* added up over the projects; then the greatest of the days\.$/),
      value: '170',
      peak_day: '2026-01-11',
      events: '6',
      first_event_at: '2026-01-10T08:00:00Z',
      last_event_at: '2026-01-11T10:00:00Z',
      contributors: {
        projects: [
          { project_id: 'b', name: 'Shop B', status: 'deleted', value: '90', events: '2' },
          { project_id: 'a', name: 'Shop A', status: 'active', value: '80', events: '1' },
        ],
      },
      corrections: { all: '0', voids: '0', latest: [] },
      late_arrivals: {
        events: '2',
        value: '20',
        latest: [
          {
            project_id: 'b',
            event_id: 'late-11',
            value: '90',
            timestamp: '2026-01-11T10:00:00Z',
            received_at: '2026-02-05T00:00:00Z',
            after_closing: true,
          },
          {
            project_id: 'a',
            event_id: 'late-10',
            value: '10',
            timestamp: '2026-01-10T23:00:00Z',
            received_at: '2026-01-11T00:00:00Z',
            after_closing: false,
          },
        ],
      },
      period: { start: '2026-01-01T00:00:00Z', end: '2026-01-31T23:59:59Z' },
      as_of: expect.any(String),
      billing_status: expect.any(String),
    })
  })

  test('the peak of a single day is explained by the events of that day', async () => {
    const { body } = await tested.client.partner(ours, 'GET', '/usage/explain?start_date=2026-01-10&end_date=2026-01-10&metric=database_size_bytes')
    expect(body).toMatchObject({ value: '150', peak_day: '2026-01-10', events: '3', late_arrivals: { events: '1', value: '0' } })
  })
})

test('a cumulative figure of the partnership is explained by projects that add up to it', async () => {
  const { body } = await explain('metric=ai_tokens')
  expect(body).toMatchObject({
    value: '14.5',
    kind: 'cumulative',
    peak_day: null,
    events: '3',
    contributors: {
      projects: [
        { project_id: 'a', value: '7.5', events: '2' },
        { project_id: 'b', value: '7', events: '1' },
      ],
    },
    late_arrivals: { events: '1', value: '2.5', latest: [{ event_id: 't2', after_closing: false }] },
  })
})

test('a figure of a project is explained by its days and its largest events', async () => {
  const { body } = await explain('metric=database_size_bytes&project_id=b')
  expect(body).toMatchObject({ value: '90', peak_day: '2026-01-11', events: '3', late_arrivals: { events: '1', value: '30' } })
  expect(body.rule).toContain('the greatest sample of each UTC day, then the greatest of the days')
  expect(body.contributors).toEqual({
    days: [
      { usage_date: '2026-01-11', value: '90', events: '2' },
      { usage_date: '2026-01-10', value: '50', events: '1' },
    ],
    events: [
      { event_id: 'late-11', value: '90', timestamp: '2026-01-11T10:00:00Z', received_at: '2026-02-05T00:00:00Z' },
      { event_id: 'b11', value: '60', timestamp: '2026-01-11T09:00:00Z', received_at: '2026-01-11T09:00:01Z' },
      { event_id: 'b10', value: '50', timestamp: '2026-01-10T09:00:00Z', received_at: '2026-01-10T09:00:01Z' },
    ],
  })
  const tokens = (await explain('metric=total_ai_tokens&project_id=a')).body
  expect(tokens).toMatchObject({ metric: 'ai_tokens', value: '7.5', peak_day: null, late_arrivals: { events: '1', value: '2.5' } })
  expect(tokens.contributors.days).toEqual([
    { usage_date: '2026-01-05', value: '5', events: '1' },
    { usage_date: '2026-01-06', value: '2.5', events: '1' },
  ])
})

test('without events the explanation is 0, without a peak day and with empty lists', async () => {
  expect((await explain('metric=storage_bytes')).body).toMatchObject({
    value: '0',
    peak_day: null,
    events: '0',
    first_event_at: null,
    last_event_at: null,
    contributors: { projects: [] },
    late_arrivals: { events: '0', value: '0', latest: [] },
  })
  expect((await explain('metric=mcp_calls&project_id=a')).body).toMatchObject({ value: '0', events: '0', contributors: { days: [], events: [] } })
})

test('the lists of an explanation end after 20 entries: the largest contributors, and the late events received last', async () => {
  await tested.client.registerProject('long', ours.partnerId)
  const two = (number: number) => String(number).padStart(2, '0')
  await store(
    Array.from({ length: 25 }, (_, index) => {
      const day = `2025-07-${two(index + 1)}`
      return ['long', `e${index}`, 'egress_bytes', `${day}T01:00:00Z`, String(index + 1), `2025-08-${two(index + 1)}T00:00:00Z`] as const
    }),
  )
  const { body } = await tested.client.partner(ours, 'GET', '/usage/explain?start_date=2025-07-01&end_date=2025-07-31&metric=egress_bytes&project_id=long')
  const largest = Array.from({ length: 20 }, (_, index) => String(25 - index))
  const valuesOf = (rows: { value: string }[]) => rows.map(({ value }) => value)
  expect(valuesOf(body.contributors.days)).toEqual(largest)
  expect(valuesOf(body.contributors.events)).toEqual(largest)
  expect(valuesOf(body.late_arrivals.latest)).toEqual(largest)
  expect(body).toMatchObject({ value: '325', events: '25', late_arrivals: { events: '25', value: '325' } })
})

describe('P5: partners never see each other', () => {
  test('P5: another partner’s project returns the same 404 as one that does not exist', async () => {
    const [foreign, nothing] = [await explain('metric=ai_tokens&project_id=foreign'), await explain('metric=ai_tokens&project_id=nothing')]
    expect([foreign.status, { ...foreign.body, request_id: '' }]).toEqual([404, { ...nothing.body, request_id: '' }])
    expect((await explain('metric=ai_tokens', { ...ours, secret: theirs.secret })).status).toBe(401)
  })

  test('P5: an explanation contains nothing of another partner', async () => {
    expect((await explain('metric=database_bytes')).text).not.toContain('foreign')
    expect((await explain('metric=database_bytes', theirs)).body.contributors.projects).toHaveLength(1)
  })
})

describe('operators', () => {
  const asAdmin = (query: string) => tested.client.admin('GET', `/admin/v1/explain?${JANUARY}&${query}`)

  test('operators get the same explanation as the partner, for any partner or project', async () => {
    const withoutAsOf = ({ body }: { body: object }) => ({ ...body, as_of: '' })
    expect(withoutAsOf(await asAdmin(`metric=ai_tokens&partner=${ours.partnerId}`))).toEqual(withoutAsOf(await explain('metric=ai_tokens')))
    expect(withoutAsOf(await asAdmin('metric=ai_tokens&project=a'))).toEqual(withoutAsOf(await explain('metric=ai_tokens&project_id=a')))
  })

  test('operators can explain a project that is not registered when it has events', async () => {
    await tested.client.send([{ event_id: 'o', project_id: 'orphan', metric: 'ai_tokens', value: 3, timestamp: '2026-01-09T00:00:00Z' }])
    expect((await asAdmin('metric=ai_tokens&project=orphan')).body).toMatchObject({ value: '3', events: '1' })
    expect((await asAdmin('metric=ai_tokens&project=nobody')).body.code).toBe('PROJECT_NOT_FOUND')
    expect((await asAdmin('metric=ai_tokens&partner=ps_nobody')).body.code).toBe('PARTNER_NOT_FOUND')
  })

  test('operators must set either partner or project', async () => {
    for (const query of ['metric=ai_tokens', `metric=ai_tokens&project=a&partner=${ours.partnerId}`]) {
      const { status, body } = await asAdmin(query)
      expect([status, body.message]).toEqual([400, 'Set either partner or project.'])
    }
    expect((await tested.client.call('GET', `/admin/v1/explain?metric=ai_tokens&project=a`)).status).toBe(401)
  })
})

describe('bad input', () => {
  test.each([
    ['metric=tokens', 'INVALID_REQUEST', 'query.metric'],
    ['', 'INVALID_REQUEST', 'query.metric'],
    ['metric=ai_tokens&project=a', 'INVALID_REQUEST', '"project"'],
    ['metric=ai_tokens&start_date=2026-02-30', 'INVALID_REQUEST', 'start_date'],
  ])('the query "%s" is rejected with 400 %s and names %s', async (query, code, named) => {
    const { status, body } = await explain(query)
    expect([status, body.code]).toEqual([400, code])
    expect(body.message).toContain(named)
  })

  test('a day that does not exist is rejected with PERIOD_INVALID', async () => {
    const { body } = await tested.client.partner(ours, 'GET', '/usage/explain?metric=ai_tokens&start_date=2026-02-30&end_date=2026-03-01')
    expect(body.code).toBe('PERIOD_INVALID')
  })
})

test(`P6: for random events an explanation always has the figure of the usage answer (seed ${SEED})`, async () => {
  let world = 0
  const quantity = fc.oneof(
    fc.constant('0'),
    fc.integer({ min: 0, max: 1_000_000 }).map(String),
    fc.bigInt({ min: 0n, max: 10n ** 28n }).map((whole) => `${whole}.5`),
  )
  const event = fc.record({
    project: fc.constantFrom('x', 'y', 'z'),
    metric: fc.constantFrom<MetricName>('database_size_bytes', 'ai_tokens'),
    day: fc.integer({ min: 1, max: 9 }),
    value: quantity,
  })
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 30 }), fc.integer({ min: 1, max: 9 }), async (events, last) => {
      world += 1
      const partner = await tested.client.createPartner(`World ${world}`)
      for (const project of ['x', 'y', 'z']) await tested.client.registerProject(`w${world}.${project}`, partner.partnerId)
      const sent = events.map(({ project, day, ...rest }, index) => ({
        ...rest,
        event_id: `e${index}`,
        project_id: `w${world}.${project}`,
        timestamp: `2025-03-0${day}T12:00:00Z`,
      }))
      expect((await tested.client.send(sent)).body.accepted).toBe(String(sent.length))
      const period = `start_date=2025-03-01&end_date=2025-03-0${last}`
      const usage = (await tested.client.partner(partner, 'GET', `/usage?${period}&include=daily`)).body
      for (const metric of EXPLAINED) {
        const { kind, partnershipName, projectSummaryName } = METRICS[metric]
        const { body } = await tested.client.partner(partner, 'GET', `/usage/explain?${period}&metric=${metric}`)
        expect(body.value).toBe(usage.summary[partnershipName])
        expect(body.peak_day).toBe(kind === 'peak' ? usage.peak_days[partnershipName] : null)
        const counted = sent.filter(({ metric: of, timestamp }) => of === metric && timestamp.slice(0, 10) <= `2025-03-0${last}`)
        expect(body.events).toBe(String(counted.length))
        // All of them were sent long after their days, so late events are the whole figure.
        expect(body.late_arrivals).toMatchObject({ events: String(counted.length), value: body.value })
        expect(body.contributors.projects.reduce((sum: string, { value }: { value: string }) => addDecimals(sum, value), '0')).toBe(body.value)
        const project = `w${world}.x`
        const ofProject = (await tested.client.partner(partner, 'GET', `/usage/explain?${period}&metric=${metric}&project_id=${project}`)).body
        const own = (await tested.client.partner(partner, 'GET', `/${project}/usage?${period}`)).body
        expect(ofProject.value).toBe(own.summary[projectSummaryName])
        if (kind === 'peak') expect(ofProject.contributors.days[0]?.value ?? '0').toBe(ofProject.value)
      }
    }),
    { seed: SEED, numRuns: 4, endOnFailure: true },
  )
})

test('P6: a store that cannot be read is an error, never an explanation of 0', async () => {
  const { control } = tested.service.clickhouse
  for (const table of ['raw_usage_events_v1', 'project_usage_per_day_v1']) {
    await control.command(`RENAME TABLE ${table} TO table_away`)
    const answers = [await explain('metric=ai_tokens'), await explain('metric=ai_tokens&project_id=a')]
    await control.command(`RENAME TABLE table_away TO ${table}`)
    for (const { status, body } of answers) {
      expect(status).toBeGreaterThanOrEqual(500)
      expect(body.value).toBeUndefined()
    }
  }
})
