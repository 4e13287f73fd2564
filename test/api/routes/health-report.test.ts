import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWebhookReceiver } from '../../support/clients/webhook-receiver.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>
beforeAll(async () => {
  receiver = await startWebhookReceiver((_, response) => response.writeHead(500).end())
  tested = await startTestService({ OUTGOING_ALLOW: '127.0.0.1/32' })
})
afterAll(async () => {
  await tested.stop()
  await receiver.stop()
})

const report = async () => tested.client.admin('GET', '/admin/v1/health-report')

test('a report names failing schedules and webhooks, and holds no URL, in which there may be a secret', async () => {
  const { client } = tested
  await untilSo(async () => (await report()).body.automation?.thresholds.evaluated_at !== null)
  expect((await report()).body.automation).toEqual({
    schedules: { total: '0', problems: [] },
    webhooks: { total: '0', problems: [] },
    thresholds: { active: '0', evaluated_at: expect.stringMatching(/Z$/) },
    stopped_logs: [],
  })
  const gone = { name: 'nightly', cronSchedule: '0 0 1 1 *', functionUrl: `${receiver.url}/hidden-key` }
  const schedule = (await client.admin('POST', '/api/schedules', gone)).body
  await client.admin('POST', '/api/schedules', { ...gone, name: 'never run' })
  const { webhook } = (await client.admin('POST', '/admin/v1/webhooks', { url: `${receiver.url}/hidden-key`, events: ['statement.closed'] })).body
  const partner = await client.createPartner('Ours')
  await client.billFrom(partner.partnerId, '2026-01')
  expect((await client.closeMonth(partner.partnerId, '2026-01')).status).toBe(200)
  await client.admin('POST', `/api/schedules/${schedule.id}/run`)
  await untilSo(async () => (await report()).body.automation.schedules.problems.some(({ failed_at }: { failed_at: string | null }) => failed_at !== null))
  const { body, text } = await report()
  expect(body.automation.schedules).toEqual({
    total: '2',
    problems: [
      {
        ...{ id: schedule.id, name: 'nightly', action: 'call', overdue_since: null },
        ...{ failed_at: expect.stringMatching(/Z$/), message: expect.stringMatching(/^Answered 500/) },
      },
    ],
  })
  expect(body.background.work.map(({ name }: { name: string }) => name)).toEqual(
    expect.arrayContaining(['audits', 'thresholds', 'incident_messages', 'schedules']),
  )
  expect(body.automation.webhooks).toMatchObject({ total: '1' })
  expect(webhook.id).toMatch(/^wh_/)
  expect(text).not.toContain('hidden-key')
})
