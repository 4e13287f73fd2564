import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Credentials } from '../../support/clients/client.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let partner: Credentials
beforeAll(async () => {
  tested = await startTestService()
  partner = await tested.client.createPartner('Corrections')
  await tested.client.registerProject('p', partner.partnerId)
  await tested.client.createIngestKey()
})
afterAll(() => tested.stop())

const event = (event_id: string, value: string, extra: object = {}) => ({
  event_id,
  project_id: 'p',
  metric: 'ai_tokens',
  value,
  timestamp: '2026-01-15T12:00:00Z',
  ...extra,
})
const correct = (event_id: string, corrects: string, extra: object = {}) => ({ event_id, project_id: 'p', corrects, action: 'void', reason: 'test', ...extra })
const amend = (event_id: string, corrects: string, value: unknown, extra: object = {}) => correct(event_id, corrects, { action: 'amend', value, ...extra })

const totalOf = async (from: string, to: string) => (await tested.client.projectUsage(partner, 'p', from, to)).body.summary.total_ai_tokens

test('P2: corrections are sent like events, as JSON, as an array and as NDJSON, and change the totals before the answer', async () => {
  const { client } = tested
  await client.send([event('a', '5'), event('b', '7'), event('c', '11')])
  expect((await client.send(correct('c1', 'a'))).body).toEqual({ accepted: '1', duplicates: '0', rejected: [] })
  expect(await totalOf('2026-01-01', '2026-01-31')).toBe('18')
  expect((await client.send([correct('c1', 'a'), amend('c2', 'b', 3)])).body).toEqual({ accepted: '1', duplicates: '1', rejected: [] })
  const lines = [amend('c3', 'c', '0.5', { metric: 'ignored', timestamp: 'ignored' }), event('d', '1')].map((each) => JSON.stringify(each)).join('\n')
  expect((await client.sendBody(lines, 'application/x-ndjson')).body).toEqual({ accepted: '2', duplicates: '0', rejected: [] })
  expect(await totalOf('2026-01-01', '2026-01-31')).toBe('4.5')
})

test('P7: each correction that is not valid is rejected with its reason, and its neighbours count', async () => {
  const { client } = tested
  await client.send([event('target', '5')])
  const bad: [object, string][] = [
    [correct('', 'target'), 'invalid_event'],
    [correct('x', 'target', { project_id: 'sp ace' }), 'invalid_event'],
    [correct('x', ''), 'invalid_correction'],
    [correct('x', 'target', { corrects: 7 }), 'invalid_correction'],
    [correct('x', 'target', { corrects: {} }), 'invalid_correction'],
    [correct('target', 'target'), 'invalid_correction'],
    [correct('x', 'target', { action: 'delete' }), 'invalid_correction'],
    [correct('x', 'target', { action: undefined }), 'invalid_correction'],
    [correct('x', 'target', { reason: undefined }), 'invalid_correction'],
    [correct('x', 'target', { reason: '' }), 'invalid_correction'],
    [correct('x', 'target', { reason: 'x'.repeat(501) }), 'invalid_correction'],
    [correct('x', 'target', { reason: 'two\nlines' }), 'invalid_correction'],
    [correct('x', 'target', { value: '5' }), 'invalid_correction'],
    [amend('x', 'target', undefined), 'invalid_value'],
    [amend('x', 'target', '-1'), 'invalid_value'],
    [amend('x', 'target', 9007199254740993n.toString().concat('.0000000001')), 'invalid_value'],
    [correct('x', 'target', { padding: 'x'.repeat(65 * 1024) }), 'too_large'],
    [correct('x', 'nothing'), 'unknown_event'],
  ]
  const { body } = await client.send(bad.flatMap(([each], index) => [each, event(`neighbour-${index}`, '1')]))
  expect(body.accepted).toBe(String(bad.length))
  expect(body.rejected.map(({ index, reason }: { index: string; reason: string }) => [index, reason])).toEqual(
    bad.map(([, reason], index) => [String(2 * index), reason]),
  )
  expect((await client.send([correct('y', 'target', { reason: `${'x'.repeat(499)}é`, value: null })])).body).toMatchObject({ accepted: '1', rejected: [] })
})

test('P7: a correction that came before its event is kept, and counts when it is resent after it', async () => {
  const { client } = tested
  expect((await client.send(correct('too-early', 'late'))).body.rejected).toMatchObject([{ event_id: 'too-early', reason: 'unknown_event' }])
  await client.send(event('late', '5', { timestamp: '2026-02-03T00:00:00Z' }))
  const { rejected_events } = (await client.admin('GET', '/admin/v1/rejected-events?limit=1')).body
  expect(rejected_events).toMatchObject([{ event_id: 'too-early', project_id: 'p', original: JSON.stringify(correct('too-early', 'late')) }])
  const resent = await client.admin('POST', '/admin/v1/rejected-events/resend', { ids: [rejected_events[0].id] })
  expect(resent.body.events).toMatchObject([{ outcome: 'accepted' }])
  expect(await totalOf('2026-02-01', '2026-02-28')).toBe('0')
})

test('P5: an ingest key corrects events of its allowed projects only', async () => {
  const { client } = tested
  const [other, all] = [await client.createPartner('Other'), client.ingestKey]
  client.ingestKey = (await client.admin('POST', '/admin/v1/ingest-keys', { name: 'scoped', partner_ids: [other.partnerId] })).body.key
  const { body } = await client.send(correct('foreign', 'b'))
  expect(body).toMatchObject({ accepted: '0', rejected: [{ reason: 'project_not_allowed' }] })
  client.ingestKey = all
})

test('P4: an ingest key cannot correct an event of a closed month, and the rejection names who can', async () => {
  const { client } = tested
  const inJanuary = { timestamp: '2025-01-15T00:00:00Z' }
  await client.send([event('billed', '5', inJanuary), event('voided', '3', inJanuary), event('open', '5', { timestamp: '2025-02-15T00:00:00Z' })])
  await client.send(correct('v0', 'voided'))
  expect((await client.billFrom(partner.partnerId, '2025-01')).status).toBe(200)
  expect((await client.closeMonth(partner.partnerId, '2025-01')).status).toBe(200)
  const { body } = await client.send([correct('v1', 'billed'), correct('v2', 'open'), correct('v3', 'nothing')])
  expect(body).toMatchObject({
    accepted: '1',
    rejected: [
      { event_id: 'v1', reason: 'month_closed', message: expect.stringContaining('POST /admin/v1/corrections') },
      { event_id: 'v3', reason: 'unknown_event' },
    ],
  })
  const { rejected_events } = (await client.admin('GET', '/admin/v1/rejected-events')).body
  const kept = rejected_events.find((each: { event_id: string }) => each.event_id === 'v1')
  expect(kept).toMatchObject({ reason: 'month_closed', original: JSON.stringify(correct('v1', 'billed')) })
  const resent = await client.admin('POST', '/admin/v1/rejected-events/resend', { ids: [kept.id] })
  expect(resent.body.events).toMatchObject([{ outcome: 'rejected', reason: 'month_closed' }])
  // A retry of what counted before the month was closed is a duplicate.
  expect((await client.send(correct('v0', 'voided'))).body).toEqual({ accepted: '0', duplicates: '1', rejected: [] })
  expect(await totalOf('2025-01-01', '2025-01-31')).toBe('5')
})

test('P7: a correction of an operator that came before its event counts when it is resent, also in a closed month', async () => {
  const { client } = tested
  const sent = await client.admin('POST', '/admin/v1/corrections', { corrections: [correct('v5', 'after-closing')] })
  expect(sent.body.rejected).toMatchObject([{ event_id: 'v5', reason: 'unknown_event' }])
  await client.send(event('after-closing', '3', { timestamp: '2025-01-20T00:00:00Z' }))
  const { rejected_events } = (await client.admin('GET', '/admin/v1/rejected-events?limit=1')).body
  const resent = await client.admin('POST', '/admin/v1/rejected-events/resend', { ids: [rejected_events[0].id] })
  expect(resent.body.events).toMatchObject([{ outcome: 'accepted' }])
  expect(await totalOf('2025-01-01', '2025-01-31')).toBe('5')
})

test('P6: when every event of a defined metric in a closed month is voided, all that was billed of it is unbilled', async () => {
  const { client } = tested
  const definition = { kind: 'cumulative', unit: 'second', description: 'Seconds of graphics processors.' }
  expect((await client.admin('PUT', '/admin/v1/metrics/gpu_seconds', definition)).status).toBe(200)
  const defined = await client.createPartner('Defined')
  await client.registerProject('d', defined.partnerId)
  await client.billFrom(defined.partnerId, '2025-03')
  const used = event('gpu', '10', { project_id: 'd', metric: 'gpu_seconds', timestamp: '2025-03-05T00:00:00Z' })
  expect((await client.send(used)).body.accepted).toBe('1')
  await client.closeMonth(defined.partnerId, '2025-03')
  await client.admin('POST', '/admin/v1/corrections', { corrections: [correct('v6', 'gpu', { project_id: 'd' })] })
  const { totals } = (await client.partner(defined, 'GET', '/statements/2025-03')).body
  expect(totals).toContainEqual(expect.objectContaining({ metric: 'gpu_seconds', value: '10', unbilled: '-10' }))
  const { adjustments } = (await client.partner(defined, 'GET', '/statements/2025-04')).body
  expect(adjustments).toMatchObject([{ for_month: '2025-03', metric: 'gpu_seconds', value: '-10' }])
})
