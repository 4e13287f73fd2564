import { afterAll, beforeAll, expect, test } from 'vitest'
import { WAITING_PER_PARTNER_MAX } from '../../../registry/change-queue.ts'
import type { Answer, Credentials } from '../../support/clients/client.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
beforeAll(async () => {
  tested = await startTestService()
})
afterAll(() => tested.stop())

const sync = (partner: Credentials, name: string) => tested.client.partner(partner, 'POST', '/sync-embedded-project', JSON.stringify({ project_name: name }))

test('50 different projects that one partner syncs at once are all made', async () => {
  const partner = await tested.client.createPartner('Fifty')
  const answers = await Promise.all(Array.from({ length: 50 }, (_, nth) => sync(partner, `project ${nth}`)))
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
  expect(new Set(answers.map(({ body }) => body.project.id)).size).toBe(50)
})

test('a partner that sends more at once than may wait is told to send fewer, and another partner and the admin are answered meanwhile', async () => {
  const [flooding, other] = [await tested.client.createPartner('Flooding'), await tested.client.createPartner('Other')]
  const order: string[] = []
  const told = async (who: string, asked: Promise<Answer>) => {
    const answer = await asked
    if (answer.status !== 429) order.push(who)
    return answer
  }
  const flood = Array.from({ length: WAITING_PER_PARTNER_MAX + 30 }, (_, nth) => told('flooding', sync(flooding, `project ${nth}`)))
  // The flood is there as soon as the first of it is refused or answered.
  await Promise.race(flood)
  const others = [told('other', sync(other, 'one')), told('admin', tested.client.admin('POST', '/admin/v1/ingest-keys', { name: 'one' }))]
  for (const { status } of await Promise.all(others)) expect([200, 201]).toContain(status)
  const answers = await Promise.all(flood)
  expect(order.indexOf('other')).toBeLessThan(order.length / 2)
  expect(order.indexOf('admin')).toBeLessThan(order.length / 2)
  const refused = answers.filter(({ status }) => status !== 200)
  expect(refused.length).toBeGreaterThan(0)
  for (const { status, body, headers } of refused) expect([status, body.code, headers.get('retry-after')]).toEqual([429, 'TOO_MANY_AT_ONCE', '1'])
})
