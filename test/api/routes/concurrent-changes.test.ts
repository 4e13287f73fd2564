import { afterAll, beforeAll, expect, test } from 'vitest'
import { WAITING_PER_PARTNER_MAX } from '../../../registry/change-queue.ts'
import type { Answer, Credentials } from '../../support/clients/client.ts'
import { untilSo } from '../../support/until-so.ts'
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

test('a partner that keeps sending more changes than may wait gets 429, while another partner and the admin are answered', async () => {
  const [flooding, other] = [await tested.client.createPartner('Flooding'), await tested.client.createPartner('Other')]
  const answers: Answer[] = []
  let areAnswered = false
  // Each sender goes on until the others are answered: if these waited for an end of the flood, there would be none.
  const keepSyncing = async (nth: number) => {
    do answers.push(await sync(flooding, `project ${nth}`))
    while (!areAnswered)
  }
  const flood = Array.from({ length: WAITING_PER_PARTNER_MAX + 30 }, (_, nth) => keepSyncing(nth))
  await untilSo(async () => answers.some(({ status }) => status === 429))
  const [project, key] = await Promise.all([sync(other, 'one'), tested.client.admin('POST', '/admin/v1/ingest-keys', { name: 'one' })])
  areAnswered = true
  await Promise.all(flood)
  expect([project.status, key.status]).toEqual([200, 201])
  const rejected = answers.filter(({ status }) => status !== 200)
  for (const { status, body, headers } of rejected) expect([status, body.code, headers.get('retry-after')]).toEqual([429, 'TOO_MANY_AT_ONCE', '1'])
})
