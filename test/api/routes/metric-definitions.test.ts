import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { METRIC_NAMES, METRICS } from '../../../metering/metrics.ts'
import type { Credentials } from '../../support/clients/client.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let service: TestService
let partner: Credentials

beforeAll(async () => {
  service = await startTestService()
  await service.client.createIngestKey()
  partner = await service.client.createPartner('Acme')
  await service.client.registerProject('red', partner.partnerId)
  await service.client.registerProject('blue', partner.partnerId)
})
afterAll(() => service.stop())

const define = (name: string, body: object) => service.client.admin('PUT', `/admin/v1/metrics/${name}`, body)
const IMAGES = { kind: 'cumulative', unit: 'image', description: 'Images generated.' }

let sent = 0
function event(metric: string, value: string | undefined, timestamp = '2026-01-31T12:00:00Z', project_id = 'red') {
  sent += 1
  return { event_id: `e${sent}`, project_id, metric, ...(value === undefined ? {} : { value }), timestamp }
}

describe('the catalogue of metrics', () => {
  test('the nine documented metrics are in it, with their kinds and units, for operators and partners alike', async () => {
    const { body } = await service.client.admin('GET', '/admin/v1/metrics')
    const documented = body.metrics.filter((each: { documented: boolean }) => each.documented)
    const shown = documented.map(({ name, kind, unit }: { name: string; kind: string; unit: string }) => [name, kind, unit])
    expect(shown).toEqual([...METRIC_NAMES].sort().map((name) => [name, METRICS[name].kind, METRICS[name].unit]))
    expect((await service.client.partner(partner, 'GET', '/metrics')).body).toEqual(body)
  })

  test('a definition is idempotent, and without events it may change; what people read may always change', async () => {
    const first = await define('renders', IMAGES)
    expect(first.status).toBe(200)
    expect(first.body.metric).toMatchObject({ name: 'renders', ...IMAGES, display: 'renders', documented: false })
    expect((await define('renders', IMAGES)).body).toEqual(first.body)
    expect((await define('renders', { ...IMAGES, kind: 'peak', unit: 'frame' })).body.metric).toMatchObject({ kind: 'peak', unit: 'frame' })
    expect((await service.client.send([event('renders', '5'), event('renders', '3')])).body).toMatchObject({ accepted: '2' })
    const renamed = { kind: 'peak', unit: 'frame', description: 'Frames rendered.', display: 'Frames' }
    expect((await define('renders', renamed)).body.metric).toMatchObject(renamed)
    const { body } = await service.client.projectUsage(partner, 'red', '2026-01-31', '2026-01-31')
    expect(body.metrics.renders).toEqual({ value: '5', kind: 'peak', unit: 'frame' })
  })

  test('once an event has counted, kind and unit never change', async () => {
    await define('scans', IMAGES)
    await service.client.send(event('scans', '1'))
    for (const changed of [{ kind: 'peak' }, { unit: 'page' }]) {
      const { status, body } = await define('scans', { ...IMAGES, ...changed })
      expect([status, body.code]).toEqual([409, 'METRIC_FIXED'])
      expect(body.message).toContain('another name')
    }
  })

  test('also without events the kind changes only between peak and cumulative, because what is stored of events of other kinds differs', async () => {
    for (const kind of ['count', 'last', 'unique']) {
      await define(`fixed_${kind}`, { ...IMAGES, kind })
      for (const other of ['count', 'last', 'unique', 'peak'].filter((each) => each !== kind))
        expect((await define(`fixed_${kind}`, { ...IMAGES, kind: other })).body).toMatchObject({ code: 'METRIC_FIXED' })
      await define(`sum_${kind}`, IMAGES)
      expect((await define(`sum_${kind}`, { ...IMAGES, kind })).body).toMatchObject({ code: 'METRIC_FIXED' })
    }
  })

  test('a documented metric cannot be changed', async () => {
    expect((await define('ai_tokens', IMAGES)).body).toMatchObject({ code: 'METRIC_FIXED', message: expect.stringContaining('documented') })
  })

  test.each([
    ['Images', IMAGES, 'params.name'],
    ['9images', IMAGES, 'params.name'],
    ['i'.repeat(64), IMAGES, 'params.name'],
    ['good', { ...IMAGES, kind: 'median' }, 'body.kind: must be one of peak, cumulative, count, last, unique'],
    ['good', { ...IMAGES, unit: "'" }, 'body.unit'],
    ['good', { ...IMAGES, description: '' }, 'body.description'],
    ['good', { ...IMAGES, labels: [] }, 'labels'],
    ['good', { ...IMAGES, kind: 'last', labels: ['model'] }, 'body.labels: are for metrics of the kinds peak, cumulative and count'],
  ])('%s with %j is rejected by the name of its field', async (name, body, field) => {
    const answer = await define(name, body)
    expect(answer.status).toBe(400)
    expect(answer.body.message).toContain(field)
  })

  test('a definition is in the audit log', async () => {
    await define('audited', IMAGES)
    const { body } = await service.client.admin('GET', '/admin/v1/audit-log?subject=audited')
    expect(body.entries).toMatchObject([{ action: 'metric.define', subject: 'audited' }])
  })
})

describe('usage of a defined metric', () => {
  test('P7: an event of an unknown metric is kept, and counts under its original time once the metric is defined', async () => {
    const early = event('pages', '7', '2025-12-03T10:00:00Z')
    const { body } = await service.client.send([early, event('ai_tokens', '1')])
    expect(body).toMatchObject({ accepted: '1', rejected: [{ reason: 'unknown_metric', event_id: early.event_id }] })
    await define('pages', { ...IMAGES, unit: 'page' })
    const { body: list } = await service.client.admin('GET', '/admin/v1/rejected-events')
    const { id } = list.rejected_events.find((each: { event_id: string }) => each.event_id === early.event_id)
    const resent = await service.client.admin('POST', '/admin/v1/rejected-events/resend', { ids: [id] })
    expect(resent.body.events).toMatchObject([{ outcome: 'accepted' }])
    const usage = await service.client.projectUsage(partner, 'red', '2025-12-03', '2025-12-03')
    expect(usage.body).toMatchObject({ metrics: { pages: { value: '7' } }, daily_usage: [{ usage_date: '2025-12-03', metrics: { pages: { value: '7' } } }] })
    expect((await service.client.send(early)).body).toMatchObject({ duplicates: '1' })
  })

  test('an event is counted in the first request after the definition', async () => {
    for (let nth = 0; nth < 5; nth += 1) {
      expect((await service.client.send(event(`fresh_${nth}`, '1'))).body).toMatchObject({ accepted: '0' })
      await define(`fresh_${nth}`, IMAGES)
      expect((await service.client.send(event(`fresh_${nth}`, '1'))).body).toMatchObject({ accepted: '1' })
    }
  })

  test('each event of a count is 1, with or without that value; another value is rejected', async () => {
    await define('visits', { ...IMAGES, kind: 'count', unit: 'visit' })
    const day = '2026-02-03T00:00:00Z'
    const { body } = await service.client.send([event('visits', undefined, day), event('visits', '1.0', day), event('visits', '2', day)])
    expect(body).toMatchObject({
      accepted: '2',
      rejected: [{ index: '2', reason: 'invalid_value', message: expect.stringContaining('must be 1 or left out') }],
    })
    const usage = await service.client.projectUsage(partner, 'red', '2026-02-03', '2026-02-03')
    expect(usage.body.metrics).toEqual({ visits: { value: '2', kind: 'count', unit: 'visit' } })
  })

  test('a partnership adds a peak up over the projects per day, then takes the greatest day', async () => {
    await define('seats', { ...IMAGES, kind: 'peak', unit: 'seat' })
    await service.client.send([
      event('seats', '700', '2026-03-02T01:00:00Z'),
      event('seats', '600', '2026-03-03T01:00:00Z'),
      event('seats', '100', '2026-03-02T01:00:00Z', 'blue'),
      event('seats', '350', '2026-03-03T01:00:00Z', 'blue'),
    ])
    const { body } = await service.client.partner(partner, 'GET', '/usage?start_date=2026-03-01&end_date=2026-03-31&include=daily')
    expect(body.metrics).toEqual({ seats: { value: '950', kind: 'peak', unit: 'seat' } })
    expect(body.daily_usage.map((day: { metrics: object }) => day.metrics)).toMatchObject([{ seats: { value: '800' } }, { seats: { value: '950' } }])
    expect(body.peak_days.metrics).toEqual({ seats: '2026-03-03' })
    const projects = await service.client.partner(partner, 'GET', '/projects?start_date=2026-03-01&end_date=2026-03-31&include=on_peak_days')
    expect(projects.body.peak_days).toEqual(body.peak_days)
    expect(projects.body.projects.map(({ on_peak_days }: { on_peak_days: object }) => on_peak_days)).toMatchObject([
      { metrics: { seats: '350' } },
      { metrics: { seats: '600' } },
    ])
    expect(projects.body.projects.map(({ metrics }: { metrics: object }) => metrics)).toMatchObject([{ seats: { value: '350' } }, { seats: { value: '700' } }])
  })

  test('of the kind last the latest sample counts by its timestamp, then by the log; a partner has the sum of its projects', async () => {
    await define('level', { ...IMAGES, kind: 'last', unit: 'meter' })
    const answer = await service.client.send([
      event('level', '5', '2026-06-02T10:00:00Z'),
      event('level', '9', '2026-06-02T09:00:00Z'),
      event('level', '0.000000001', '2026-06-04T09:00:00Z'),
      event('level', '12345678901234567890123456789.5', '2026-06-04T09:00:00Z'),
      event('level', '7', '2026-06-03T09:00:00Z', 'blue'),
    ])
    expect(answer.body).toMatchObject({ accepted: '5', rejected: [] })
    const { body } = await service.client.partner(partner, 'GET', '/usage?start_date=2026-06-01&end_date=2026-06-30&include=daily')
    expect(body.metrics).toEqual({ level: { value: '12345678901234567890123456796.5', kind: 'last', unit: 'meter' } })
    expect(body.daily_usage.map((day: { metrics: object }) => day.metrics)).toMatchObject([
      { level: { value: '5' } },
      { level: { value: '7' } },
      { level: { value: '12345678901234567890123456789.5' } },
    ])
    expect((await service.client.projectUsage(partner, 'red', '2026-06-01', '2026-06-03')).body.metrics.level.value).toBe('5')
  })

  test('of the kind unique the different texts count; another text under one id is a conflict, and an event can be voided and not amended', async () => {
    await define('users', { ...IMAGES, kind: 'unique', unit: 'user' })
    const first = event('users', 'ann', '2026-06-10T10:00:00Z')
    const { body } = await service.client.send([
      first,
      { ...first, value: 'bob' },
      first,
      { ...event('users', '1'), value: 1 },
      event('users', ''),
      event('users', 'x'.repeat(129)),
      event('users', 'a\nb'),
      ...['7', '7.0', 'Ann', '名'].map((text) => event('users', text, '2026-06-11T10:00:00Z')),
      ...['ann', '7'].map((text) => event('users', text, '2026-06-11T10:00:00Z', 'blue')),
    ])
    expect(body).toMatchObject({
      accepted: '7',
      duplicates: '1',
      rejected: [
        { index: '1', reason: 'conflict', message: expect.stringContaining('value "ann"') },
        ...['3', '4', '5', '6'].map((index) => ({ index, reason: 'invalid_value', message: expect.stringContaining('string of 1 to 128') })),
      ],
    })
    const read = async () => (await service.client.partner(partner, 'GET', '/usage?start_date=2026-06-10&end_date=2026-06-11&include=daily')).body
    expect(await read()).toMatchObject({
      metrics: { users: { value: '7', kind: 'unique', unit: 'user', union: '5' } },
      daily_usage: [{ metrics: { users: { value: '1', union: '1' } } }, { metrics: { users: { value: '6', union: '5' } } }],
    })
    const correction = { event_id: 'of-users', project_id: 'red', corrects: first.event_id, reason: 'a test' }
    expect((await service.client.send([{ ...correction, action: 'amend', value: '2' }])).body).toMatchObject({ rejected: [{ reason: 'invalid_value' }] })
    expect((await service.client.send([{ ...correction, action: 'void' }])).body).toMatchObject({ accepted: '1' })
    expect((await read()).metrics.users).toMatchObject({ value: '6', union: '5' })
    const explained = await service.client.partner(partner, 'GET', '/usage/explain?project_id=red&metric=users&start_date=2026-06-10&end_date=2026-06-11')
    expect(explained.body).toMatchObject({ value: '4', events: '4', late_arrivals: { value: '4' }, contributors: { events: [{ text: '7' }, {}, {}, {}] } })
    expect(explained.body.corrections.latest).toMatchObject([{ corrects: first.event_id, before: '0', after: null, text: 'ann' }])
  })

  test('the projection of the month has each kind under its name: a peak and a last value stay, the others go on with their mean', async () => {
    const kinds = { cpu_cores: 'peak', renderings: 'cumulative', sign_ins: 'count', depth: 'last', visitors: 'unique' } as const
    for (const [name, kind] of Object.entries(kinds)) await define(name, { ...IMAGES, kind, unit: 'thing' })
    const first = `${new Date().toISOString().slice(0, 7)}-01T00:00:00Z`
    await service.client.send([event('cpu_cores', '7', first), event('renderings', '0.5', first), event('sign_ins', undefined, first)])
    await service.client.send([event('depth', '3', first), event('visitors', 'ann', first)])
    const complete = new Date().getUTCDate() - 1
    const days = new Date(Date.UTC(Number(first.slice(0, 4)), Number(first.slice(5, 7)), 0)).getUTCDate()
    const mean = (nanos: bigint) => {
      const value = (nanos * BigInt(days)) / BigInt(complete)
      return `${value / 1_000_000_000n}.${String(value % 1_000_000_000n).padStart(9, '0')}`.replace(/\.?0+$/, '')
    }
    const projected = (value: () => string, method: string) => (complete === 0 ? null : { value: value(), method, from_days: String(complete) })
    const ofPartner = await service.client.partner(partner, 'GET', '/usage/projection')
    const ofProject = await service.client.admin('GET', '/admin/v1/projects/red/usage/projection')
    for (const { body } of [ofPartner, ofProject]) {
      expect(body.metrics).toMatchObject({ cpu_cores: { value: '7' }, renderings: { value: '0.5' }, sign_ins: { value: '1', kind: 'count', unit: 'thing' } })
      expect(body.projected.metrics).toEqual({
        cpu_cores: projected(() => '7', 'greatest_day'),
        renderings: projected(() => mean(500_000_000n), 'mean_of_complete_days'),
        sign_ins: projected(() => mean(1_000_000_000n), 'mean_of_complete_days'),
        depth: projected(() => '3', 'last_value'),
        visitors: null,
      })
      expect(Object.keys(body.projected)).toHaveLength(METRIC_NAMES.length + 1)
    }
    const other = await service.client.createPartner('Without usage')
    const { body } = await service.client.partner(other, 'GET', '/usage/projection')
    expect([body.metrics, body.projected.metrics]).toEqual([undefined, undefined])
  })

  test('projects are sorted by the usage of a metric of each kind, also of one that is called like another order', async () => {
    const sorted = await service.client.createPartner('Sorted')
    for (const id of ['s1', 's2', 's3']) await service.client.registerProject(id, sorted.partnerId)
    const day = '2026-04-02T00:00:00Z'
    for (const [name, kind] of [
      ['name', 'cumulative'],
      ['desks', 'peak'],
      ['calls_in', 'count'],
      ['heights', 'last'],
      ['guests', 'unique'],
    ] as const)
      await define(name, { ...IMAGES, kind })
    await service.client.send([
      ...['9', '2'].map((value) => event('name', value, day, 's1')),
      ...['6', '6'].map((value) => event('name', value, day, 's2')),
      ...['9', '2'].map((value) => event('desks', value, day, 's1')),
      ...['6', '6'].map((value) => event('desks', value, day, 's2')),
      ...[1, 2, 3].map(() => event('calls_in', undefined, day, 's3')),
      ...['9', '2'].map((value) => event('heights', value, day, 's1')),
      event('heights', '6', day, 's2'),
      ...['a', 'a', 'a'].map((value) => event('guests', value, day, 's2')),
      ...['a', 'b'].map((value) => event('guests', value, day, 's3')),
      event('calls_in', undefined, day, 's1'),
    ])
    const pages = async (sort: string) => {
      const ids: string[] = []
      let cursor = ''
      do {
        const query = `/projects?start_date=2026-04-01&end_date=2026-04-30&limit=1&sort=${sort}${cursor === '' ? '' : `&cursor=${cursor}`}`
        const { body } = await service.client.partner(sorted, 'GET', query)
        ids.push(...body.projects.map(({ id }: { id: string }) => id))
        cursor = body.next_cursor ?? ''
      } while (cursor !== '')
      return ids.join(' ')
    }
    expect(await pages('metrics.name')).toBe('s3 s1 s2')
    expect(await pages('name')).toBe('s1 s2 s3')
    expect(await pages('-metrics.desks')).toBe('s1 s2 s3')
    expect(await pages('metrics.calls_in')).toBe('s2 s1 s3')
    expect(await pages('metrics.heights')).toBe('s3 s1 s2')
    expect(await pages('-metrics.guests')).toBe('s3 s2 s1')
    const wrong = await service.client.partner(sorted, 'GET', '/projects?sort=-metrics.desk')
    expect([wrong.status, wrong.body.message]).toEqual([400, expect.stringMatching(/^query\.sort: must be one of .*GET …\/metrics\. Did you mean "desks"\?/)])
    const invalid = await service.client.partner(sorted, 'GET', '/projects?sort=metrics.')
    expect([invalid.status, invalid.body.message]).toEqual([400, expect.stringMatching(/^query\.sort: must be one of name, .*GET …\/metrics/)])
  })

  test('answers without defined metrics have exactly the documented fields', async () => {
    await service.client.send(event('ai_tokens', '3', '2026-05-05T00:00:00Z'))
    const { body } = await service.client.partner(partner, 'GET', '/usage?start_date=2026-05-01&end_date=2026-05-31&include=daily')
    expect(Object.keys(body)).toEqual(['partnership', 'period', 'summary', 'daily_usage', 'peak_days', 'as_of', 'billing_status'])
    expect(Object.keys(body.daily_usage[0])).toHaveLength(1 + METRIC_NAMES.length)
    expect(Object.keys(body.peak_days)).toEqual(['database_bytes', 'storage_bytes'])
  })

  test('it is explained under its name; a name that is not defined is answered with the nearest one', async () => {
    const query = 'start_date=2026-03-01&end_date=2026-03-31'
    const { body } = await service.client.partner(partner, 'GET', `/usage/explain?metric=seats&${query}`)
    expect(body).toMatchObject({ metric: 'seats', kind: 'peak', unit: 'seat', value: '950', peak_day: '2026-03-03', events: '4' })
    const wrong = await service.client.partner(partner, 'GET', `/usage/explain?metric=seat&${query}`)
    expect([wrong.status, wrong.body.message]).toEqual([400, expect.stringContaining('Did you mean "seats"?')])
  })
})
