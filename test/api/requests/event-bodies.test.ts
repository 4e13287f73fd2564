import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
beforeAll(async () => {
  tested = await startTestService()
  await tested.client.createIngestKey()
})
afterAll(() => tested.stop())

const at = '2026-01-15T12:00:00Z'
const good = (event_id: string, extra: object = {}) => ({ event_id, project_id: 'p', metric: 'ai_tokens', value: 1, timestamp: at, ...extra })

async function totalOf(projectId: string, name: string) {
  const partner = await tested.client.createPartner(projectId)
  await tested.client.registerProject(projectId, partner.partnerId)
  return (await tested.client.projectUsage(partner, projectId, '2026-01-01', '2026-12-31')).body.summary[name]
}

describe('a body that is not a list of events', () => {
  test('a body that is not valid JSON is rejected as a whole with 400', async () => {
    for (const body of ['{"event_id":', '', '[{}', `${'['.repeat(200_000)}`]) {
      const answer = await tested.client.sendBody(body)
      expect([answer.status, answer.body.success, answer.body.code]).toEqual([400, false, 'BODY_NOT_JSON'])
    }
    expect((await tested.client.sendBody(Buffer.from([0x5b, 0x22, 0xff, 0x22, 0x5d]))).status).toBe(400)
  })

  test('a body of another content type, or a compressed one, is rejected with 415', async () => {
    expect((await tested.client.sendBody('x', 'text/plain')).body).toMatchObject({ code: 'UNSUPPORTED_MEDIA_TYPE' })
    const headers = { authorization: `Bearer ${tested.client.ingestKey}`, 'content-type': 'application/json', 'content-encoding': 'gzip' }
    expect((await tested.client.call('POST', '/v1/events', { headers, body: '[]' })).status).toBe(415)
  })

  test('10,001 events or 11 MiB are rejected with 413 and none is stored; 10,000 events are accepted', async () => {
    const many = Array.from({ length: 10_001 }, (_, index) => good(`many-${index}`, { project_id: 'many' }))
    expect((await tested.client.send(many)).body).toMatchObject({ code: 'TOO_LARGE' })
    expect((await tested.client.send(good('huge', { padding: 'x'.repeat(11 * 1024 * 1024) }))).status).toBe(413)
    expect((await tested.client.send(many.slice(1))).body).toMatchObject({ accepted: '10000' })
    expect(await totalOf('many', 'total_ai_tokens')).toBe('10000')
  })

  test('a request without an ingest key, or with a wrong one, is rejected with 401 before the body is read', async () => {
    const wrong = await tested.client.call('POST', '/v1/events', {
      headers: { authorization: 'Bearer mli_wrong', 'content-type': 'application/json' },
      body: 'not json',
    })
    expect([wrong.status, wrong.body.code]).toEqual([401, 'UNAUTHENTICATED'])
    expect((await tested.client.call('POST', '/v1/events', { body: '[]', headers: { 'content-type': 'application/json' } })).status).toBe(401)
  })
})

test('the identity of a CloudEvent is its source and id, hashed when it is too long', async () => {
  const cloud = (id: string, extra: object = {}) => ({
    specversion: '1.0',
    source: '/gw/eu',
    id,
    type: 'mcp_calls',
    subject: 'cloud',
    time: at,
    data: { value: 2 },
    ...extra,
  })
  const batch = [
    cloud('1'),
    cloud('1'),
    cloud('1', { source: '/gw/us' }),
    cloud('y'.repeat(200)),
    cloud('2', { source: 'has space' }),
    cloud('3', { specversion: '0.3' }),
    cloud('4', { data: {} }),
    cloud(`\ud800${'z'.repeat(200)}`),
  ]
  const { body } = await tested.client.sendBody(JSON.stringify(batch), 'application/cloudevents-batch+json')
  expect(body).toMatchObject({ accepted: '3', duplicates: '1' })
  expect(body.rejected.map((each: { index: string; reason: string }) => [each.index, each.reason])).toEqual([
    ['4', 'invalid_event'],
    ['5', 'invalid_event'],
    ['6', 'invalid_value'],
    ['7', 'invalid_event'],
  ])
  expect((await tested.client.sendBody(JSON.stringify(cloud('1')), 'application/cloudevents+json')).body).toMatchObject({ duplicates: '1' })
  expect(await totalOf('cloud', 'total_mcp_calls')).toBe('6')
})
