import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credentials } from '../../support/clients/client.ts'
import { startWebhookReceiver } from '../../support/clients/webhook-receiver.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>
let ours: Credentials
let theirs: Credentials
beforeAll(async () => {
  receiver = await startWebhookReceiver()
  tested = await startTestService({ OUTGOING_ALLOW: '127.0.0.0/8', PUBLIC_URL: 'https://usage.example.com' })
  await tested.client.createIngestKey()
  ours = await tested.client.createPartner('Ours')
  theirs = await tested.client.createPartner('Theirs')
  for (const [project, { partnerId }] of [
    ['our-shop', ours],
    ['their-shop', theirs],
  ] as const)
    await tested.client.registerProject(project, partnerId)
})
afterAll(async () => {
  await tested.stop()
  await receiver.stop()
})

const TODAY = new Date().toISOString()
const MONTH = TODAY.slice(0, 7)
const LEVELS = [
  { name: 'warning', percent_of_budget: 80 },
  { name: 'used up', value: '100' },
]

const asPartner = (partner: Credentials, method: string, path: string, body?: object) =>
  tested.client.partner(partner, method, path, body === undefined ? undefined : JSON.stringify(body))
const messagesOf = (path: string) => receiver.requests.filter((each) => each.path === path)

describe('a threshold from usage to the message', () => {
  test('usage that reaches levels is notified once each, signed, with everything that is needed to act', async () => {
    const url = `${receiver.url}/ours`
    const created = (await asPartner(ours, 'POST', '/webhooks', { url, events: ['usage.threshold_reached', 'usage.threshold_resolved'] })).body
    const other = (await asPartner(theirs, 'POST', '/webhooks', { url: `${receiver.url}/theirs`, events: ['usage.threshold_reached'] })).body
    expect(created.webhook).toMatchObject({ url, enabled: true, partner_id: ours.partnerId, failing_since: null })
    const set = await asPartner(ours, 'POST', '/thresholds', { metric: 'ai_tokens', per: 'month', budget: '100', levels: LEVELS })
    // The client of the tests reads every number as its text.
    expect([set.status, set.body.threshold.levels]).toEqual([201, [{ name: 'warning', percent_of_budget: '80' }, LEVELS[1]]])
    const { id } = set.body.threshold
    await tested.client.send([
      { event_id: 'e1', project_id: 'our-shop', metric: 'ai_tokens', value: '100.000000001', timestamp: TODAY },
      { event_id: 'e2', project_id: 'their-shop', metric: 'ai_tokens', value: '500', timestamp: TODAY },
    ])
    await untilSo(async () => messagesOf('/hook/ours').length >= 2)
    const messages = messagesOf('/hook/ours')
    const bodies = messages.map(({ body }) => JSON.parse(body.toString('utf8')))
    expect(bodies.map(({ type, data }) => `${type} ${data.level.name} ${data.level.value}`).sort()).toEqual([
      'usage.threshold_reached used up 100',
      'usage.threshold_reached warning 80',
    ])
    const [{ data }] = bodies
    expect(data).toMatchObject({ threshold_id: id, partner_id: ours.partnerId, project_id: null, metric: 'ai_tokens', unit: 'token', month: MONTH })
    expect(data).toMatchObject({ state: 'alarm', number: 1, value: '100.000000001', day: TODAY.slice(0, 10), billing_status: 'provisional' })
    expect(data.largest_projects).toEqual([{ project_id: 'our-shop', name: 'our-shop', value: '100.000000001' }])
    expect(data.dashboard).toBe(`https://usage.example.com/#/usage?month=${MONTH}`)
    expect(data.curl).toContain(`'https://usage.example.com/partnership/v1/${ours.partnerId}/usage?start_date=${MONTH}-01&end_date=${MONTH}-`)
    expect(Date.parse(data.as_of)).toBeGreaterThan(0)
    for (const { headers, body } of messages) expect(headers['webhook-signature']).toBe(`v1,${signatureOf(created.secret, headers, body)}`)
    const history = (await asPartner(ours, 'GET', `/thresholds/${id}/history`)).body.history
    expect(history.map((each: { message_id: string }) => each.message_id).sort()).toEqual(messages.map(({ headers }) => headers['webhook-id']).sort())
    // Both crossings are of one moment.
    const first = (await asPartner(ours, 'GET', `/thresholds/${id}/history?limit=1`)).body
    const second = (await asPartner(ours, 'GET', `/thresholds/${id}/history?limit=1&cursor=${first.next_cursor}`)).body
    expect([first.history.length, [...first.history, ...second.history], second.next_cursor]).toEqual([1, history, null])
    expect((await asPartner(ours, 'GET', `/thresholds/${id}/history?month=${MONTH}&cursor=${first.next_cursor}`)).body.code).toBe('CURSOR_INVALID')
    const deliveries = async () => (await asPartner(ours, 'GET', `/webhooks/${created.webhook.id}/deliveries`)).body.deliveries
    await untilSo(async () => (await deliveries()).every((each: { status: string }) => each.status === 'delivered'))
    expect((await deliveries())[0]).toMatchObject({
      type: 'usage.threshold_reached',
      attempts: '1',
      last_attempt: { outcome: 'delivered', http_status: '200' },
    })
    const budget = (await asPartner(ours, 'GET', `/thresholds/${id}/budget`)).body
    expect(budget).toMatchObject({ month: MONTH, used: '100.000000001', limit: '100' })
    expect(Number(budget.lag_seconds)).toBeLessThan(60)
    expect([messagesOf('/hook/theirs'), other.webhook.partner_id]).toEqual([[], theirs.partnerId])
    await resent(created.webhook.id, history[0].message_id)
  })

  async function resent(webhook: string, message: string) {
    const before = messagesOf('/hook/ours').length
    expect((await asPartner(ours, 'POST', `/webhooks/${webhook}/deliveries/${message}/resend`)).body).toEqual({ message_id: message, status: 'pending' })
    await untilSo(async () => messagesOf('/hook/ours').length > before)
    expect(messagesOf('/hook/ours').at(-1)?.headers['webhook-id']).toBe(message)
  }
})

describe('P5: what a partner set is seen by no one else', () => {
  test('P5: thresholds, webhooks and messages of another partner, and of operators, are not found', async () => {
    const threshold = (await asPartner(ours, 'POST', '/thresholds', { metric: 'mcp_calls', per: 'month', levels: [{ name: 'a', value: '5' }] })).body.threshold
    const { webhook } = (await asPartner(ours, 'POST', '/webhooks', { url: receiver.url, events: ['statement.closed'] })).body
    const ofOperators = (await tested.client.admin('POST', '/admin/v1/webhooks', { url: receiver.url, events: ['log.incident'], partner_id: theirs.partnerId }))
      .body
    const theirThreshold = { partner_id: theirs.partnerId, metric: 'mcp_calls', per: 'month', levels: [{ name: 'a', value: '5' }] }
    const byOperators = (await tested.client.admin('POST', '/admin/v1/thresholds', theirThreshold)).body.threshold
    expect((await asPartner(theirs, 'GET', '/thresholds')).body).toEqual({ thresholds: [] })
    for (const id of [threshold.id, byOperators.id]) {
      const calls = [
        ['PATCH', '', { active: false }],
        ['DELETE', ''],
        ['GET', '/history'],
        ['GET', '/budget'],
      ] as const
      for (const [method, path, body] of calls)
        expect([method, path, (await asPartner(theirs, method, `/thresholds/${id}${path}`, body)).body.code]).toEqual([method, path, 'THRESHOLD_NOT_FOUND'])
    }
    for (const id of [webhook.id, ofOperators.webhook.id]) {
      const calls = [
        ['PATCH', '', { enabled: false }],
        ['DELETE', ''],
        ['POST', '/secret'],
        ['POST', '/test'],
        ['GET', '/deliveries'],
        ['POST', '/deliveries/msg_1/resend'],
      ] as const
      for (const [method, path, body] of calls)
        expect([method, path, (await asPartner(theirs, method, `/webhooks/${id}${path}`, body)).body.code]).toEqual([method, path, 'WEBHOOK_NOT_FOUND'])
    }
    expect((await tested.client.admin('GET', `/admin/v1/thresholds/${threshold.id}/history`)).status).toBe(404)
    const listed = (await asPartner(theirs, 'GET', '/webhooks')).body.webhooks
    expect(listed.map(({ id }: { id: string }) => id)).not.toContain(webhook.id)
    const foreign = { metric: 'mcp_calls', per: 'month', project_id: 'our-shop', levels: [{ name: 'a', value: '5' }] }
    expect((await asPartner(theirs, 'POST', '/thresholds', foreign)).body.code).toBe('PROJECT_NOT_FOUND')
  })
})

describe('mistakes name their field, and nothing is half created', () => {
  const VALID = { metric: 'ai_tokens', per: 'month', levels: [{ name: 'a', value: '5' }] }
  test.each([
    ['budget', { ...VALID, levels: [{ name: 'a', percent_of_budget: 50 }] }],
    ['budget', { ...VALID, budget: '1.23456789' }],
    ['levels', { ...VALID, levels: [] }],
    [
      'levels',
      {
        ...VALID,
        levels: [
          { name: 'a', value: '5' },
          { name: 'a', value: '6' },
        ],
      },
    ],
    ['levels.0.value: value must be a decimal', { ...VALID, levels: [{ name: 'a', value: '-5' }] }],
    ['levels.0: must have a name, and either value', { ...VALID, levels: [{ name: 'a', value: 5 }] }],
    ['levels.0.percent_of_budget', { ...VALID, levels: [{ name: 'a', percent_of_budget: 0 }] }],
    ['levels.0: must have a name, and either value', { ...VALID, levels: [{ name: 'a' }] }],
    ['metric', { ...VALID, metric: 'none' }],
    ['per', { ...VALID, per: 'day' }],
  ])('%s', async (field, body) => {
    const before = (await asPartner(theirs, 'GET', '/thresholds')).body
    const answer = await asPartner(theirs, 'POST', '/thresholds', body)
    expect([answer.status, answer.body.message]).toEqual([400, expect.stringContaining(`body.${field}`)])
    expect((await asPartner(theirs, 'GET', '/thresholds')).body).toEqual(before)
  })

  test('an operator names either a partner or a project', async () => {
    for (const subject of [{}, { partner_id: ours.partnerId, project_id: 'our-shop' }])
      expect((await tested.client.admin('POST', '/admin/v1/thresholds', { ...VALID, ...subject })).body.message).toContain('body.partner_id')
    expect((await tested.client.admin('POST', '/admin/v1/thresholds', { ...VALID, project_id: 'nothing' })).body.code).toBe('PROJECT_NOT_FOUND')
    const { threshold } = (await tested.client.admin('POST', '/admin/v1/thresholds', { ...VALID, project_id: 'our-shop' })).body
    expect(threshold).toMatchObject({ partner_id: ours.partnerId, project_id: 'our-shop' })
    const updated = await tested.client.admin('PATCH', `/admin/v1/thresholds/${threshold.id}`, { budget: '20', levels: [{ name: 'b', percent_of_budget: 25 }] })
    expect(updated.body.threshold).toMatchObject({ budget: '20', levels: [{ name: 'b', percent_of_budget: '25' }] })
    expect((await tested.client.admin('PATCH', `/admin/v1/thresholds/${threshold.id}`, { budget: null })).body.message).toContain('body.budget')
    expect((await tested.client.admin('DELETE', `/admin/v1/thresholds/${threshold.id}`)).body.id).toBe(threshold.id)
    expect((await tested.client.admin('PATCH', `/admin/v1/thresholds/${threshold.id}`, { active: false })).status).toBe(404)
  })
})

function signatureOf(secret: string, headers: Record<string, string>, body: Buffer): string {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  return createHmac('sha256', key).update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.`).update(body).digest('base64')
}
