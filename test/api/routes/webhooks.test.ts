import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { announceSilentProjects, announceUnregisteredProjects } from '../../../automation/webhooks/announce-projects.ts'
import { announceStatements } from '../../../automation/webhooks/announce-statements.ts'
import { MessageQueue } from '../../../automation/webhooks/message-queue.ts'
import { PARTNER_WEBHOOK_EVENTS, WEBHOOK_EVENTS, WEBHOOKS_MAX } from '../../../contract/webhook-events.ts'
import { dayOf, MS_PER_DAY } from '../../../metering/timestamp.ts'
import type { Credentials } from '../../support/clients/client.ts'
import { startWebhookReceiver } from '../../support/clients/webhook-receiver.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>
let ours: Credentials
let theirs: Credentials
const logged: string[] = []
beforeAll(async () => {
  receiver = await startWebhookReceiver((request, response) => response.writeHead(request.url === '/hook/refuses' ? 410 : 200).end())
  // Only this machine, by the port's own address: 127.0.0.2 stays forbidden.
  tested = await startTestService({ OUTGOING_ALLOW: '127.0.0.1/32', LOG_LEVEL: 'trace' }, (line) => logged.push(line))
  await tested.client.createIngestKey()
  ours = await tested.client.createPartner('Ours')
  theirs = await tested.client.createPartner('Theirs')
})
afterAll(async () => {
  await tested.stop()
  await receiver.stop()
})

const asPartner = (partner: Credentials, method: string, path: string, body?: object) =>
  tested.client.partner(partner, method, path, body === undefined ? undefined : JSON.stringify(body))
const bodiesAt = (path: string) => receiver.requests.filter((each) => each.path === path).map(({ body }) => JSON.parse(body.toString('utf8')))

describe('mistakes name their field, and nothing is half created', () => {
  const EVENTS = ['statement.closed']
  test.each([
    ['url', { url: 'ftp://example.com', events: EVENTS }],
    ['url', { url: 'https://user:pass@example.com', events: EVENTS }],
    ['url', { url: 'nothing', events: EVENTS }],
    ['url', { url: 'http://127.0.0.2/', events: EVENTS }],
    ['url', { url: 'http://2130706434/', events: EVENTS }],
    ['url', { url: 'http://0x7f.2/', events: EVENTS }],
    ['url', { url: 'http://[::ffff:127.0.0.2]/', events: EVENTS }],
    ['url', { url: 'http://[::1]/', events: EVENTS }],
    ['url', { url: 'http://169.254.169.254/latest', events: EVENTS }],
    ['url', { events: EVENTS }],
    ['events', { url: 'https://example.com', events: [] }],
    ['events', { url: 'https://example.com', events: ['none'] }],
    ['events', { url: 'https://example.com', events: ['log.incident'] }],
    ['events', { url: 'https://example.com', events: ['project.unregistered'] }],
    ['partner_id', { url: 'https://example.com', events: EVENTS, partner_id: 'another' }],
  ])('%s: %j', async (field, body) => {
    const answer = await asPartner(theirs, 'POST', '/webhooks', body)
    expect([answer.status, answer.body.message]).toEqual([400, expect.stringContaining(field)])
    expect((await asPartner(theirs, 'GET', '/webhooks')).body).toEqual({ webhooks: [] })
  })

  test('a change to a forbidden URL, or of nothing, is rejected and changes nothing', async () => {
    const { webhook } = (await asPartner(ours, 'POST', '/webhooks', { url: receiver.url, events: EVENTS })).body
    for (const body of [{ url: 'http://10.0.0.1/' }, { events: ['log.incident'] }, {}, { enabled: 'yes' }])
      expect((await asPartner(ours, 'PATCH', `/webhooks/${webhook.id}`, body)).status).toBe(400)
    expect((await asPartner(ours, 'GET', '/webhooks')).body.webhooks).toEqual([webhook])
    await asPartner(ours, 'DELETE', `/webhooks/${webhook.id}`)
    expect((await asPartner(ours, 'GET', '/webhooks')).body.webhooks).toEqual([])
    expect((await asPartner(ours, 'DELETE', `/webhooks/${webhook.id}`)).status).toBe(200)
    expect((await asPartner(ours, 'POST', `/webhooks/${webhook.id}/test`)).status).toBe(404)
  })

  test('a partner has a limited number of webhooks', async () => {
    const many = await tested.client.createPartner('Many')
    for (let nth = 0; nth < WEBHOOKS_MAX; nth += 1) expect((await asPartner(many, 'POST', '/webhooks', { url: receiver.url, events: EVENTS })).status).toBe(201)
    expect((await asPartner(many, 'POST', '/webhooks', { url: receiver.url, events: EVENTS })).body.code).toBe('TOO_MANY_WEBHOOKS')
  })
})

describe('a webhook', () => {
  test('the secret is shown once, a test message shows how deliveries go, and no secret is in any other answer or log line', async () => {
    const created = await tested.client.admin('POST', '/admin/v1/webhooks', { url: `${receiver.url}/refuses`, events: ['log.incident'] })
    const { webhook, secret } = created.body
    expect(secret).toMatch(/^whsec_/)
    expect((await tested.client.admin('POST', `/admin/v1/webhooks/${webhook.id}/test`)).body).toMatchObject({ outcome: 'http_status', http_status: '410' })
    await tested.client.admin('PATCH', `/admin/v1/webhooks/${webhook.id}`, { url: `${receiver.url}/tested` })
    const outcome = (await tested.client.admin('POST', `/admin/v1/webhooks/${webhook.id}/test`)).body
    expect(outcome).toMatchObject({ outcome: 'delivered', http_status: '200' })
    expect(bodiesAt('/hook/tested')).toMatchObject([{ type: 'webhook.test', data: { webhook_id: webhook.id } }])
    const rotated = (await tested.client.admin('POST', `/admin/v1/webhooks/${webhook.id}/secret`, { overlap_seconds: 0 })).body
    expect(rotated.secret).not.toBe(secret)
    const answers = [await tested.client.admin('GET', '/admin/v1/webhooks'), await tested.client.admin('GET', `/admin/v1/webhooks/${webhook.id}/deliveries`)]
    expect(answers[1]?.body.deliveries.map((each: { type: string; status: string }) => [each.type, each.status])).toEqual([
      ['webhook.test', 'delivered'],
      ['webhook.test', 'given_up'],
    ])
    const log = `/admin/v1/webhooks/${webhook.id}/deliveries`
    const first = (await tested.client.admin('GET', `${log}?limit=1`)).body
    const second = (await tested.client.admin('GET', `${log}?limit=1&cursor=${first.next_cursor}`)).body
    expect([...first.deliveries, ...second.deliveries], 'pages').toEqual(answers[1]?.body.deliveries)
    expect([first.deliveries.length, second.next_cursor]).toEqual([1, null])
    const lost = (await tested.client.admin('GET', `${log}?status=given_up`)).body.deliveries
    expect(lost).toEqual(second.deliveries)
    expect((await tested.client.admin('GET', `${log}?status=given_up&cursor=${first.next_cursor}`)).body.code).toBe('CURSOR_INVALID')
    // A message that does not exist is not resent, so the audit log says nothing of it.
    expect((await tested.client.admin('POST', `/admin/v1/webhooks/${webhook.id}/deliveries/msg_unknown/resend`)).body.code).toBe('WEBHOOK_MESSAGE_NOT_FOUND')
    const actions = (await tested.client.admin('GET', '/admin/v1/audit-log')).body.entries.map(({ action }: { action: string }) => action)
    expect(actions).toContain('webhook.update')
    expect(actions).not.toContain('webhook.resend')
    for (const text of [...answers.map((each) => each.text), ...logged]) for (const each of [secret, rotated.secret]) expect(text).not.toContain(each)
  })
})

describe('webhooks of partners', () => {
  test('operators see, disable and remove those of a partner, but do not change or rotate them', async () => {
    const { client } = tested
    const leaked = await client.createPartner('Leaked')
    const { webhook } = (await asPartner(leaked, 'POST', '/webhooks', { url: `${receiver.url}/leaked`, events: ['statement.closed'] })).body
    const own = (await client.admin('POST', '/admin/v1/webhooks', { url: receiver.url, events: ['log.incident'] })).body.webhook
    const listed = async (query: string) =>
      (await client.admin('GET', `/admin/v1/webhooks${query}`)).body.webhooks.map((each: { id: string; set_by: string | null }) => [each.id, each.set_by])
    expect(await listed(`?set_by=${leaked.partnerId}`)).toEqual([[webhook.id, leaked.partnerId]])
    expect(await listed('?set_by=all')).toEqual(expect.arrayContaining([[webhook.id, leaked.partnerId], [own.id, null]])) // biome-ignore format: short
    expect(await listed('')).not.toContainEqual([webhook.id, leaked.partnerId])
    expect((await client.admin('GET', '/admin/v1/webhooks?set_by=ps_unknown')).body.code).toBe('PARTNER_NOT_FOUND')

    const path = `/admin/v1/webhooks/${webhook.id}`
    for (const body of [{ url: receiver.url }, { events: ['usage.spike'] }]) {
      const answer = await client.admin('PATCH', path, body)
      expect([answer.status, answer.body.message]).toEqual([400, expect.stringContaining(`body.${Object.keys(body)[0]}`)])
    }
    for (const action of ['secret', 'test']) expect((await client.admin('POST', `${path}/${action}`)).status).toBe(404)
    expect((await client.admin('GET', `${path}/deliveries`)).body.deliveries).toEqual([])
    expect((await client.admin('PATCH', path, { enabled: false })).body.webhook).toMatchObject({ enabled: false, disabled_reason: 'requested' })
    expect((await client.admin('PATCH', path, { enabled: true })).body.webhook).toMatchObject({ enabled: true, disabled_reason: null })
    await client.admin('PATCH', `/admin/v1/partners/${leaked.partnerId}`, { disabled: true })
    expect((await client.admin('GET', `/admin/v1/webhooks?set_by=${leaked.partnerId}`)).body.webhooks).toMatchObject([
      { enabled: false, disabled_reason: 'partner_disabled', notice: expect.stringContaining('partner is disabled'), disabled_at: expect.any(String) },
    ])
    expect((await client.admin('DELETE', path)).status).toBe(200)
    expect(await listed('?set_by=all')).toEqual(expect.not.arrayContaining([[webhook.id, leaked.partnerId]]))
    await client.admin('DELETE', `/admin/v1/webhooks/${own.id}`)
  })
})

describe('what is announced of what happened', () => {
  test('a closing is sent only to webhooks that were enabled for it then, whatever other webhooks there are', async () => {
    const { client, service } = tested
    const late = await client.createPartner('Late')
    await client.billFrom(late.partnerId, '2026-01')
    const add = async (path: string, type: string) =>
      (await asPartner(late, 'POST', '/webhooks', { url: `${receiver.url}/${path}`, events: [type] })).body.webhook.id
    const early = await add('early', 'adjustment.billed')
    const disabled = await add('disabled', 'statement.closed')
    await asPartner(late, 'PATCH', `/webhooks/${disabled}`, { enabled: false })
    await untilSo(async () => (await client.partnershipUsage(late, '2026-01-01', '2026-01-31')).body.as_of !== null)
    expect((await client.closeMonth(late.partnerId, '2026-01')).status).toBe(200)
    const announcer = { clickhouse: service.clickhouse, queue: new MessageQueue(service.clickhouse), now: Date.now }
    await asPartner(late, 'PATCH', `/webhooks/${early}`, { events: ['adjustment.billed', 'statement.closed'] })
    await asPartner(late, 'PATCH', `/webhooks/${disabled}`, { enabled: true })
    await announceStatements(announcer)
    for (const id of [early, disabled]) expect((await asPartner(late, 'GET', `/webhooks/${id}/deliveries`)).body.deliveries).toEqual([])
  })

  test('closings, adjustments, silent and unregistered projects are announced once, to those whom they concern', async () => {
    const { client, service } = tested
    const month = '2026-01'
    for (const { partnerId } of [ours, theirs]) await client.billFrom(partnerId, month)
    await client.registerProject('shop', ours.partnerId)
    for (const [partner, name] of [
      [ours, 'ours'],
      [theirs, 'theirs'],
    ] as const)
      await asPartner(partner, 'POST', '/webhooks', { url: `${receiver.url}/${name}`, events: PARTNER_WEBHOOK_EVENTS })
    await client.admin('POST', '/admin/v1/webhooks', { url: `${receiver.url}/operators`, events: WEBHOOK_EVENTS })
    await client.admin('POST', '/admin/v1/webhooks', { url: `${receiver.url}/of-theirs`, events: WEBHOOK_EVENTS, partner_id: theirs.partnerId })
    const days = [5, 4, 3].map((ago) => new Date(Date.now() - ago * MS_PER_DAY).toISOString())
    const event = (project_id: string, timestamp: string) => ({ event_id: timestamp, project_id, metric: 'ai_tokens', value: '5', timestamp })
    await client.send([...Array.from({ length: 30 }, (_, ago) => new Date(Date.now() - (ago + 3) * MS_PER_DAY).toISOString()).map((day) => event('shop', day))])
    await client.send([event('shop', '2026-01-05T00:00:00Z'), event('stray', days[0] ?? '')])
    await untilSo(async () => (await client.partnershipUsage(ours, '2026-01-01', '2026-01-31')).body.as_of !== null)
    expect((await client.closeMonth(ours.partnerId, month)).status).toBe(200)
    await client.send([event('shop', '2026-01-06T00:00:00Z')])
    expect((await client.closeMonth(ours.partnerId, '2026-02')).status).toBe(200)
    const announcer = { clickhouse: service.clickhouse, queue: new MessageQueue(service.clickhouse), now: Date.now }
    for (let times = 0; times < 2; times += 1) {
      await announceStatements(announcer)
      await announceSilentProjects(announcer)
      await announceUnregisteredProjects(announcer)
    }
    const announced = (path: string) =>
      bodiesAt(path)
        .map(({ type, data }) => `${type} ${data.month ?? data.project_id ?? data.log}`)
        .sort()
    const aboutOurs = ['adjustment.billed 2026-02', 'project.silent shop', 'statement.closed 2026-01', 'statement.closed 2026-02']
    await untilSo(async () => announced('/hook/operators').length >= 5 && announced('/hook/ours').length >= 4)
    expect(announced('/hook/ours')).toEqual(aboutOurs)
    expect(announced('/hook/operators')).toEqual([...aboutOurs, 'project.unregistered stray'].sort())
    expect([announced('/hook/theirs'), announced('/hook/of-theirs')]).toEqual([[], []])
    const adjusted = bodiesAt('/hook/ours').find(({ type }) => type === 'adjustment.billed')
    expect(adjusted.data).toMatchObject({ adjustments: [{ line: 'adjustment', for_month: '2026-01', metric: 'ai_tokens', value: '5' }], truncated: false })
    const silent = bodiesAt('/hook/ours').find(({ type }) => type === 'project.silent')
    expect(silent.data).toMatchObject({ metric: 'ai_tokens', silent_days: 2, last_day: dayOf(Date.now() - 3 * MS_PER_DAY) })
  })
})
