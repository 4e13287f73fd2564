import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Credentials } from '../../support/clients/client.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let partner: Credentials
beforeAll(async () => {
  tested = await startTestService()
  const { client, service } = tested
  partner = await client.createPartner('Slow reader')
  await client.billFrom(partner.partnerId, '2026-03')
  // So many lines that an answer does not fit into the buffers of a connection.
  await service.clickhouse.control.command(`
    INSERT INTO statement_lines_v1 (partner_id, closing, month, line, for_month, project_id, metric, name, status, kind, unit, value, events)
    SELECT '${partner.partnerId}', 'made', '2026-03', 'usage', '2026-03', leftPad(toString(number), 6, '0'), 'ai_tokens', repeat('n', 100), 'active', 'cumulative', 'token', 1, 1 FROM numbers(200000)`)
  await service.clickhouse.control.command(`
    INSERT INTO statements_v1 (partner_id, month, closing, closed_at, closed_by, as_of, lines, sha256, months, changes, projects_through, metrics)
    VALUES ('${partner.partnerId}', '2026-03', 'made', now64(3), 'operator', now64(3), 200000, '', ['2026-03'], [0], now64(3), [('ai_tokens', 'cumulative', 'token')])`)
})
afterAll(() => tested.stop())

test('readers that take nothing block neither other partners nor the service, and a partner has a limited number of open streams', {
  timeout: 120_000,
}, async () => {
  const { client } = tested
  const stalled: ClientRequest[] = []
  for (let reader = 0; reader < 4; reader += 1) stalled.push(await openAndTakeNothing())
  expect((await client.statement(partner, '2026-03')).body.code).toBe('STATEMENTS_BUSY')
  const other = await client.createPartner('Another')
  const month = new Date().toISOString().slice(0, 7)
  expect((await client.statement(other, month)).status).toBe(200)
  expect((await client.partnershipUsage(other, '2026-03-01', '2026-03-31')).status).toBe(200)
  for (const each of stalled) {
    each.destroy()
    await once(each, 'close')
  }
  const whole = await retried(() => client.statement(partner, '2026-03'))
  expect(whole.body.projects).toHaveLength(200_000)
})

async function openAndTakeNothing(): Promise<ClientRequest> {
  const { client } = tested
  const opened = request(new URL(`/partnership/v1/${partner.partnerId}/statements/2026-03`, client.url), {
    headers: { 'x-partnership-secret': partner.secret },
    agent: false,
  })
  opened.on('error', () => {})
  opened.end()
  const [answer] = (await once(opened, 'response')) as [IncomingMessage]
  answer.on('error', () => {})
  answer.pause()
  return opened
}

/** The service learns of a reader that went away a moment later. */
async function retried<T extends { status: number }>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    const answer = await call()
    if (answer.status !== 503) return answer
  }
}
