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

test('50 projects that one partner syncs concurrently are all created', async () => {
  const partner = await tested.client.createPartner('Fifty')
  const answers = await Promise.all(Array.from({ length: 50 }, (_, nth) => sync(partner, `project ${nth}`)))
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
  expect(new Set(answers.map(({ body }) => body.project.id)).size).toBe(50)
})

test('a partner with too many waiting changes gets 429, while another partner and the admin are still answered', async () => {
  const [flooding, other] = [await tested.client.createPartner('Flooding'), await tested.client.createPartner('Other')]
  const order: string[] = []
  const recorded = async (who: string, call: Promise<Answer>) => {
    const answer = await call
    if (answer.status !== 429) order.push(who)
    return answer
  }
  const flood = Array.from({ length: WAITING_PER_PARTNER_MAX + 30 }, (_, nth) => recorded('flooding', sync(flooding, `project ${nth}`)))
  // The first answer, accepted or rejected, shows that the flood has reached the service.
  await Promise.race(flood)
  const others = [recorded('other', sync(other, 'one')), recorded('admin', tested.client.admin('POST', '/admin/v1/ingest-keys', { name: 'one' }))]
  for (const { status } of await Promise.all(others)) expect([200, 201]).toContain(status)
  const answers = await Promise.all(flood)
  expect(order.indexOf('other')).toBeLessThan(order.length / 2)
  expect(order.indexOf('admin')).toBeLessThan(order.length / 2)
  const rejected = answers.filter(({ status }) => status !== 200)
  expect(rejected.length).toBeGreaterThan(0)
  for (const { status, body, headers } of rejected) expect([status, body.code, headers.get('retry-after')]).toEqual([429, 'TOO_MANY_AT_ONCE', '1'])
})
