import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Credentials, TestEvent } from '../../support/clients/client.ts'
import { defineTestedMetrics } from '../../support/oracles/defined-metrics.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let partner: Credentials
const JANUARY = 'start_date=2026-01-01&end_date=2026-01-31'

beforeAll(async () => {
  tested = await startTestService()
  await tested.client.createIngestKey()
  partner = await tested.client.createPartner('Acme')
  await untilSo(async () => (await tested.client.partnershipUsage(partner, '2026-01-01', '2026-01-31')).body.as_of !== null)
  await tested.client.billFrom(partner.partnerId, '2026-01')
  for (const project of ['red', 'blue']) await tested.client.registerProject(project, partner.partnerId)
  await defineTestedMetrics(tested.client)
})
afterAll(() => tested.stop())

let sent = 0
async function send(...events: readonly (readonly [project_id: string, metric: string, value: string, day: string])[]): Promise<void> {
  const wire = events.map(([project_id, metric, value, day]): TestEvent => {
    sent += 1
    return { event_id: `e${sent}`, project_id, metric, value, timestamp: `${day}T00:00:00Z` }
  })
  const { body } = await tested.client.send(wire)
  expect(body.accepted).toBe(String(events.length))
}

const totalsOf = (body: { totals: { metric: string; value: string }[] }) =>
  Object.fromEntries(body.totals.filter(({ value }) => value !== '0').map(({ metric, value }) => [metric, value]))
const exported = async (query: string) => (await tested.client.admin('GET', `/admin/v1/exports?${query}&partner=${partner.partnerId}`)).text

test('P4 P6: defined metrics are billed like the documented ones: by hand, closed, corrected later, in every export, and audited', async () => {
  // The seats are 950 together on 3 January: 600 of red, 350 of blue.
  await send(
    ...[['red', 'seats', '700', '2026-01-02'] as const, ['red', 'seats', '600', '2026-01-03'] as const, ['blue', 'seats', '100', '2026-01-02'] as const],
    ...[
      ['blue', 'seats', '350', '2026-01-03'] as const,
      ['red', 'images', '2.5', '2026-01-02'] as const,
      ['blue', 'images', '0.000000001', '2026-01-09'] as const,
    ],
    ...[['red', 'ai_tokens', '4', '2026-01-09'] as const],
  )
  const bill = { seats: '950', images: '2.500000001', ai_tokens: '4' }
  expect(totalsOf((await tested.client.statement(partner, '2026-01')).body)).toEqual(bill)
  const closed = await tested.client.closeMonth(partner.partnerId, '2026-01')
  expect(closed.status, closed.text).toBe(200)
  expect(totalsOf(closed.body)).toEqual(bill)
  expect(closed.body.totals.find(({ metric }: { metric: string }) => metric === 'seats')).toMatchObject({ kind: 'peak', unit: 'seat', peak_day: '2026-01-03' })
  const shares = closed.body.projects.filter(({ metric }: { metric: string }) => metric === 'seats')
  expect(shares.map(({ project_id, value }: { project_id: string; value: string }) => [project_id, value])).toEqual([
    ['blue', '350'],
    ['red', '600'],
  ])
  const ndjson = await exported('month=2026-01&format=ndjson')
  expect(ndjson).toContain('"metric":"seats","kind":"peak","unit":"seat"')

  // A visit is late, and of a metric that the closed month does not have at all.
  await send(['red', 'visits', '1', '2026-01-20'], ['red', 'images', '1', '2026-01-21'])
  const usage = await tested.client.partner(partner, 'GET', `/usage?${JANUARY}`)
  expect(usage.body).toMatchObject({ metrics: { visits: { value: '1' }, images: { value: '3.500000001' } }, billing_status: 'provisional' })
  const unbilled = (await tested.client.statement(partner, '2026-01')).body.totals.filter((total: { unbilled: string }) => total.unbilled !== '0')
  expect(unbilled.map(({ metric, value, unbilled: late }: Record<string, string>) => [metric, value, late])).toEqual([
    ['images', '2.500000001', '1'],
    ['visits', '0', '1'],
  ])
  await tested.client.admin('POST', `/admin/v1/statements/${partner.partnerId}/adjustments`, {
    ...{ for_month: '2026-01', metric: 'seats', value: '-5', reason: 'a credit' },
  })
  const february = await tested.client.closeMonth(partner.partnerId, '2026-02')
  expect(february.body.adjustments.map(({ metric, value, kind }: Record<string, string>) => [metric, value, kind])).toEqual([
    ['images', '1', 'adjustment'],
    ['visits', '1', 'adjustment'],
    ['seats', '-5', 'manual'],
  ])
  expect((await tested.client.closeMonth(partner.partnerId, '2026-01')).text).toBe(closed.text)
  expect(await exported('month=2026-01&format=ndjson')).toBe(ndjson)
  expect((await tested.client.partner(partner, 'GET', `/usage?${JANUARY}`)).body.billing_status).toBe('final')

  const csv = await exported('month=2026-02&format=csv')
  expect(csv).toContain('"visits","count","visit",1,')
  const { body } = await tested.client.audit()
  expect([body.differences, body.partnership_differences ?? []]).toEqual([[], []])
})

test('the charges of FOCUS have a row for each day, also of a count, with the unit as a capitalized plural', async () => {
  await tested.client.admin('PUT', '/admin/v1/metrics/queries', { kind: 'count', unit: 'query', description: 'Queries.' })
  await send(
    ['red', 'queries', '1', '2026-03-02'],
    ['red', 'queries', '1', '2026-03-02'],
    ['red', 'queries', '1', '2026-03-04'],
    ['red', 'images', '3', '2026-03-04'],
  )
  const [head = '', ...rows] = (await exported('month=2026-03&format=focus-csv')).trim().split('\n')
  const names = head.split(',').map((name) => name.replaceAll('"', ''))
  const column = (row: string, name: string) => row.split(',')[names.indexOf(name)]?.replaceAll('"', '')
  const shown = rows.map((row) => ['SkuId', 'ChargePeriodStart', 'ConsumedQuantity', 'ConsumedUnit', 'ServiceName'].map((name) => column(row, name)))
  expect(shown).toEqual([
    ['images', '2026-03-04T00:00:00Z', '3.000000000', 'Images', 'Other'],
    ['queries', '2026-03-02T00:00:00Z', '2.000000000', 'Queries', 'Other'],
    ['queries', '2026-03-04T00:00:00Z', '1.000000000', 'Queries', 'Other'],
  ])
})

test('a threshold can be on a defined metric, and its budget says what is used; one that is not defined is rejected by name', async () => {
  const today = new Date().toISOString().slice(0, 10)
  await send(['red', 'seats', '7', today], ['blue', 'seats', '5', today])
  const body = { partner_id: partner.partnerId, metric: 'seats', per: 'month', levels: [{ name: 'many', value: '10' }] }
  const created = await tested.client.admin('POST', '/admin/v1/thresholds', body)
  expect(created.body.threshold).toMatchObject({ metric: 'seats', unit: 'seat' })
  const budget = await tested.client.admin('GET', `/admin/v1/thresholds/${created.body.threshold.id}/budget`)
  expect(budget.body.used).toBe('12')
  const wrong = await tested.client.admin('POST', '/admin/v1/thresholds', { ...body, metric: 'seat' })
  expect([wrong.status, wrong.body.message]).toEqual([400, expect.stringContaining('body.metric: must be one of')])
})
