import { expect, onTestFinished, test } from 'vitest'
import { startTestService } from '../../support/worlds/test-service.ts'

test('P4: closing a closed month again has the same bytes, also when usage of a further metric has arrived since', async () => {
  const { client, stop } = await startTestService()
  onTestFinished(stop)
  await client.createIngestKey()
  const partner = await client.createPartner('Acme')
  await client.registerProject('red', partner.partnerId)
  await client.billFrom(partner.partnerId, '2026-01')
  const closed = await client.closeMonth(partner.partnerId, '2026-01')
  expect(closed.status).toBe(200)
  await client.admin('PUT', '/admin/v1/metrics/images', { kind: 'cumulative', unit: 'image', description: 'Images generated.' })
  const late = { event_id: 'late', project_id: 'red', metric: 'images', value: '3', timestamp: '2026-01-31T12:00:00Z' }
  expect((await client.send([late])).status).toBe(200)
  const { totals } = (await client.statement(partner, '2026-01')).body
  expect(totals).toContainEqual(expect.objectContaining({ metric: 'images', value: '0', unbilled: '3' }))
  expect((await client.closeMonth(partner.partnerId, '2026-01')).text).toBe(closed.text)
})
