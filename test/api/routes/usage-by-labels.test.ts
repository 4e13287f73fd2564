import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credentials } from '../../support/clients/client.ts'
import { deleteFromRollup, moveToOtherLabels } from '../../support/oracles/rollup-faults.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let service: TestService
let partner: Credentials

const IMAGES = { kind: 'cumulative', unit: 'image', description: 'Images generated.' }
const define = (name: string, body: object) => service.client.admin('PUT', `/admin/v1/metrics/${name}`, body)

beforeAll(async () => {
  service = await startTestService()
  await service.client.createIngestKey()
  partner = await service.client.createPartner('Acme')
  await service.client.registerProject('red', partner.partnerId)
  await service.client.registerProject('blue', partner.partnerId)
  await define('images', { ...IMAGES, labels: ['region', 'model'] })
  await define('seats', { ...IMAGES, kind: 'peak', unit: 'seat', labels: ['model'] })
})
afterAll(() => service.stop())

let sent = 0
interface Sent {
  readonly metric?: string
  readonly day?: string
  readonly project?: string
  readonly labels?: unknown
}

function event(value: string, { metric = 'images', day = '2026-01-31', project = 'red', labels }: Sent) {
  sent += 1
  return { event_id: `e${sent}`, project_id: project, metric, value, timestamp: `${day}T12:00:00Z`, ...(labels === undefined ? {} : { labels }) }
}

/** The groups of one metric in a month, as `label/label value`. */
async function groups(metric: string, month: string, { project, by = 'model' }: { project?: string; by?: string } = {}) {
  const query = `/usage?start_date=${month}-01&end_date=${month}-28&group_by=${by}`
  const { body } = await service.client.partner(partner, 'GET', project === undefined ? query : `/${project}${query}`)
  const found = body.groups.find((each: { metric: string }) => each.metric === metric)
  const values = found.values.map((each: { labels: Record<string, string | null>; value: string }) => `${Object.values(each.labels).join('/')} ${each.value}`)
  return { body, found, values }
}

describe('usage by labels', () => {
  test('the groups of a sum add up to the total, with usage without the label in a group of its own', async () => {
    await service.client.send([
      event('5', { day: '2026-02-03', labels: { model: 'large', region: 'eu' } }),
      event('0.000000001', { day: '2026-02-04', labels: { region: 'us', model: 'large' } }),
      event('3', { day: '2026-02-03', labels: { model: 'small "é"\t' } }),
      event('2', { day: '2026-02-03', labels: { model: 'small "é"' } }),
      event('1', { day: '2026-02-03' }),
      event('7', { day: '2026-02-03', project: 'blue', labels: { model: 'small "é"' } }),
    ])
    const { found, body, values } = await groups('images', '2026-02', { project: 'red' })
    expect(found).toMatchObject({ kind: 'cumulative', unit: 'image', adds_up: true, truncated: false })
    // A tab is no plain text, so that label does not count and the event is in the group without it.
    expect(values).toEqual(['large 5.000000001', ' 4', 'small "é" 2'])
    expect(body.metrics.images.value).toBe('11.000000001')
    expect((await groups('images', '2026-02', { project: 'red', by: 'region' })).values).toEqual([' 6', 'eu 5', 'us 0.000000001'])
    expect((await groups('images', '2026-02', { by: 'region,model' })).values).toEqual(['/small "é" 9', 'eu/large 5', '/ 4', 'us/large 0.000000001'])
    expect((await groups('images', '2026-02')).values).toEqual(['small "é" 9', 'large 5.000000001', ' 4'])
  })

  test('a void takes from the set of labels of its own event, and an amendment changes it; the sum stays exact', async () => {
    const [large, small] = [event('10', { day: '2026-03-02', labels: { model: 'large' } }), event('4', { day: '2026-03-02', labels: { model: 'small' } })]
    // One is in the same request as its event, the other one is not.
    await service.client.send([large, small, correction(large.event_id, 'amend', '6')])
    await service.client.send(event('5', { day: '2026-03-02', labels: { model: 'large' } }))
    expect((await groups('images', '2026-03', { project: 'red' })).values).toEqual(['large 11', 'small 4'])
    await service.client.send(correction(small.event_id, 'void'))
    const { body, values } = await groups('images', '2026-03', { project: 'red' })
    expect([values, body.metrics.images.value]).toEqual([['large 11'], '11'])
  })

  test('a copy with other labels is a duplicate, and the labels of the first one count', async () => {
    const first = event('8', { day: '2026-04-02', labels: { model: 'large' } })
    await service.client.send([first, { ...first, labels: { model: 'small' } }])
    expect((await service.client.send({ ...first, labels: { model: 'tiny' } })).body).toMatchObject({ duplicates: '1' })
    expect((await groups('images', '2026-04', { project: 'red' })).values).toEqual(['large 8'])
  })

  test('peaks do not add up: each group has its own greatest day, of a partnership that of its projects together', async () => {
    const seats = (value: string, day: string, model: string, project?: string) =>
      event(value, { metric: 'seats', day, labels: { model }, ...(project && { project }) })
    const greatest = seats('700', '2026-05-02', 'a')
    await service.client.send([
      greatest,
      seats('500', '2026-05-02', 'a'),
      seats('600', '2026-05-02', 'b'),
      seats('100', '2026-05-02', 'a', 'blue'),
      seats('400', '2026-05-03', 'a', 'blue'),
      seats('300', '2026-05-03', 'a'),
    ])
    expect((await groups('seats', '2026-05')).values).toEqual(['a 800', 'b 600'])
    expect((await groups('seats', '2026-05', { project: 'red' })).found).toMatchObject({ adds_up: false, kind: 'peak' })
    // The maximum of one group is voided: it is folded again from its events, and the other group stays.
    await service.client.send(correction(greatest.event_id, 'void'))
    expect((await groups('seats', '2026-05', { project: 'red' })).values).toEqual(['b 600', 'a 500'])
    expect((await groups('seats', '2026-05')).values).toEqual(['a 700', 'b 600'])
  })

  test('beyond 1,000 sets of labels the smallest ones are one group at the end, and the sum stays exact', async () => {
    const models = Array.from({ length: 1_003 }, (_, index) => `m${String(index).padStart(4, '0')}`)
    const seats = { metric: 'seats', day: '2026-06-05' }
    await service.client.send([
      ...models.map((model, index) => event(index < 2 ? '1' : '2', { day: '2026-06-05', labels: { model } })),
      ...models.map((model) => event('1', { ...seats, labels: { model } })),
      ...models.slice(1_000).map((model) => event('1', { ...seats, project: 'blue', labels: { model } })),
    ])
    const { found, values, body } = await groups('images', '2026-06', { project: 'red' })
    expect([found.truncated, values.length]).toEqual([true, 1_001])
    // Of equal values the first ones by their text are shown.
    expect([values[0], values[999], values[1_000]]).toEqual(['m0002 2', 'm1001 2', '(other) 4'])
    expect(values.reduce((sum: number, value: string) => sum + Number(value.split(' ')[1]), 0)).toBe(2_004)
    expect(body.metrics.images.value).toBe('2004')
    // Of a partnership the rest of a peak is, like every group, the sum over its projects of their maxima.
    const peaks = await groups('seats', '2026-06')
    expect([peaks.values[0], peaks.values[1_000]]).toEqual(['m1000 2', '(other) 1'])
  })

  test('labels that are not declared, or no short text, are ignored and counted, and never reject an event', async () => {
    const strange = [{ model: 7 }, { model: 'x'.repeat(65) }, { color: 'red' }, 'text', 7, { model: { a: '1' } }, { model: '\u0000' }]
    const fine = [undefined, null, {}, { model: '' }, { model: null }, [], { model: '😀'.repeat(64) }]
    const before = await ignoredLabels()
    const { body } = await service.client.send([...strange, ...fine].map((labels) => event('1', { day: '2026-07-05', labels })))
    expect(body).toMatchObject({ accepted: String(strange.length + fine.length), rejected: [] })
    expect((await groups('images', '2026-07', { project: 'red' })).values).toEqual([' 13', `${'😀'.repeat(64)} 1`])
    // The metrics are rendered once a second.
    await untilSo(async () => (await ignoredLabels()) === before + strange.length)
  })

  test.each([
    [
      'json with escapes',
      'application/json',
      '{"event_id":"$id","project_id":"red","metric":"images","value":1,"timestamp":"$day","l\\u0061bels":{"model":"no","mod\\u0065l":"l\\u0061rge"}}',
    ],
    ['ndjson', 'application/x-ndjson', '{"labels": {"model": "large"} ,"event_id":"$id","project_id":"red","metric":"images","value":1,"timestamp":"$day"}\n'],
    [
      'a CloudEvent',
      'application/cloudevents+json',
      '{"specversion":"1.0","source":"/s","id":"$id","type":"images","subject":"red","time":"$day","data":{"value":1,"labels":{"model":"large"}}}',
    ],
  ])('an event has its labels as %s', async (name, type, text) => {
    const month = { 'json with escapes': '2025-01', ndjson: '2025-02' }[name] ?? '2025-03'
    const body = text.replace('$id', `by ${name}`).replace('$day', `${month}-05T00:00:00Z`)
    expect((await service.client.sendBody(body, type)).body).toMatchObject({ accepted: '1' })
    expect((await groups('images', month, { project: 'red' })).values).toEqual(['large 1'])
  })
})

describe('the declaration of labels', () => {
  test('labels are declared once, at any time, and never change; left out, they stay', async () => {
    await define('scans', IMAGES)
    await service.client.send(event('3', { metric: 'scans', day: '2026-08-03', labels: { model: 'early' } }))
    expect((await define('scans', { ...IMAGES, labels: ['model'] })).body.metric).toMatchObject({ labels: ['model'] })
    expect((await define('scans', { ...IMAGES, display: 'Scans' })).body.metric).toMatchObject({ labels: ['model'], display: 'Scans' })
    for (const labels of [['model', 'region'], ['region']]) {
      const { status, body } = await define('scans', { ...IMAGES, display: 'Scans', labels })
      expect([status, body.code, body.message]).toEqual([409, 'METRIC_FIXED', expect.stringContaining('are model, and once declared')])
    }
    await untilLabelled('scans', '2026-08', { model: 'late' })
    expect((await groups('scans', '2026-08', { project: 'red' })).values[0]).toMatch(/^ \d+$/)
  })

  test('a documented metric can have labels, and nothing else of it changes', async () => {
    const { body } = await service.client.admin('GET', '/admin/v1/metrics')
    const { kind, unit, description, display } = body.metrics.find(({ name }: { name: string }) => name === 'ai_tokens')
    const answer = await define('ai_tokens', { kind, unit, description, display, labels: ['model'] })
    expect(answer.body.metric).toMatchObject({ documented: true, labels: ['model'], created_at: null })
    expect((await define('ai_tokens', { kind, unit: 'word', description, display, labels: ['model'] })).body).toMatchObject({ code: 'METRIC_FIXED' })
    await untilLabelled('ai_tokens', '2026-09', { model: 'large' })
  })

  test.each([
    ['model,model', 200],
    ['model,', 400],
    ['Model', 400],
    ['color', 400],
    ['', 400],
  ])('group_by=%s is answered with %i', async (by, status) => {
    const answer = await service.client.partner(partner, 'GET', `/usage?group_by=${by}`)
    expect(answer.status).toBe(status)
    if (status === 400) expect(answer.body.message).toMatch(/^query\.group_by: /)
  })
})

describe('audits and rebuilds of usage with labels', () => {
  test('P3: usage that is in the wrong set of labels is found although the total is right; a repair adds nothing, and a rebuild corrects it', async () => {
    const { clickhouse } = service.service
    const day = '2026-10-05'
    const [red, green] = ['red', 'green'].map((model) => event('4', { day, labels: { model } }))
    await service.client.send([red, green, correction(green?.event_id ?? '', 'amend', '5'), event('1', { day })])
    expect((await service.client.audit({ from: day, to: day })).body).toMatchObject({ differences: [], keys_compared: '3' })
    await moveToOtherLabels(clickhouse, { project: 'red', day, metric: 'images' }, { from: '{"model":"red"}', to: '{"model":"blue"}' })
    expect((await groups('images', '2026-10', { project: 'red' })).values).toEqual(['green 5', 'blue 4', ' 1'])
    const { body } = await service.client.audit({ from: day, to: day })
    expect(body.differences).toMatchObject([
      { labels: '{"model":"blue"}', raw_events: '0', rollup_events: '1', raw_total: '0', rollup_total: '4' },
      { labels: '{"model":"red"}', raw_events: '1', rollup_events: '0', raw_total: '4', rollup_total: '0' },
    ])
    // The repair of these keys has run when that of another key, which is requested later, has.
    await service.client.send(event('2', { day: '2026-10-06', labels: { model: 'red' } }))
    await deleteFromRollup(clickhouse, { project: 'red', day: '2026-10-06', metric: 'images' })
    expect((await service.client.audit({ from: '2026-10-06', to: '2026-10-06' })).body.differences).toMatchObject([{ labels: '{"model":"red"}' }])
    await untilSo(async () => (await service.client.audit({ from: '2026-10-06', to: '2026-10-06' })).body.differences.length === 0)
    expect((await groups('images', '2026-10', { project: 'red' })).values).toEqual(['green 5', 'blue 4', 'red 2', ' 1'])
    const rebuilt = await service.client.admin('POST', '/admin/v1/rebuilds', { month: '2026-10' })
    expect(rebuilt.status).toBe(200)
    expect((await groups('images', '2026-10', { project: 'red' })).values).toEqual(['red 6', 'green 5', ' 1'])
    expect((await service.client.audit({ from: day, to: day })).body.differences).toEqual([])
  })
})

function correction(corrects: string, action: 'void' | 'amend', value?: string) {
  sent += 1
  return { event_id: `c${sent}`, project_id: 'red', corrects, action, ...(value === undefined ? {} : { value }), reason: 'a test' }
}

async function ignoredLabels(): Promise<number> {
  const text = await (await service.client.call('GET', '/metrics')).text
  return Number(/^meterline_labels_ignored_total (\d+)$/m.exec(text)?.[1])
}

/** Sends events until one has its labels: a process reads the catalogue again because of unknown labels once a second. */
async function untilLabelled(metric: string, month: string, labels: Record<string, string>): Promise<void> {
  await untilSo(async () => {
    await service.client.send(event('1', { metric, day: `${month}-05`, labels }))
    const { values } = await groups(metric, month, { project: 'red' })
    return values.some((value: string) => value.startsWith(`${Object.values(labels)[0]} `))
  })
}
