import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EVENTS_BODY_BYTES_MAX } from '../../../contract/events.ts'
import { HOSTILE_BODIES } from '../../support/worlds/hostile-bodies.ts'
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

/** Sends a body with Content-Encoding. */
function sendPacked(body: string | Buffer, coding: string, more: Record<string, string> = {}) {
  const headers = { authorization: `Bearer ${tested.client.ingestKey}`, 'content-type': 'application/json', 'content-encoding': coding, ...more }
  return tested.client.call('POST', '/v1/events', { headers, body })
}

describe('a body that is not a list of events', () => {
  test('a body that is not valid JSON is rejected as a whole with 400', async () => {
    for (const body of ['{"event_id":', '', '[{}', `${'['.repeat(200_000)}`]) {
      const answer = await tested.client.sendBody(body)
      expect([answer.status, answer.body.success, answer.body.code]).toEqual([400, false, 'BODY_NOT_JSON'])
    }
    expect((await tested.client.sendBody(Buffer.from([0x22, 0xff, 0x22]))).status).toBe(400)
    expect((await tested.client.sendBody('[{},{"a":')).body.message).toContain('at byte 9, counted from 0. It is in or after the event at index 1.')
  })

  test('a body of another content type, charset or coding is rejected with 415', async () => {
    expect((await tested.client.sendBody('x', 'text/plain')).body).toMatchObject({ code: 'UNSUPPORTED_MEDIA_TYPE' })
    expect((await tested.client.sendBody('[]', 'application/json; charset=latin1')).body).toMatchObject({ code: 'UNSUPPORTED_MEDIA_TYPE' })
    for (const coding of ['compress', 'gzip, br', 'constructor'])
      expect((await sendPacked('[]', coding)).body).toMatchObject({ code: 'UNSUPPORTED_MEDIA_TYPE' })
    const latin1 = { authorization: `Bearer ${tested.service.adminToken}`, 'content-type': 'application/json; charset="iso-8859-1"' }
    expect((await tested.client.call('POST', '/admin/v1/ingest-keys', { headers: latin1, body: '{"name":"n"}' })).status).toBe(415)
  })

  test.each(['application/x-ndjson', 'application/ndjson', 'application/jsonl; charset="UTF-8"', 'application/x-jsonlines', 'application/jsonlines'])(
    'NDJSON may be called %s',
    async (contentType) => {
      const text = `\ufeff${JSON.stringify(good('nd-1', { project_id: contentType.replaceAll(/[^a-z]/g, '') }))}\n`
      expect((await tested.client.sendBody(text, contentType)).body).toMatchObject({ accepted: '1', rejected: [] })
    },
  )

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

describe('a compressed body', () => {
  // Node 20 cannot make zstd, so this frame is written by hand: one block that is not compressed.
  const zstdOf = (text: string) => {
    const size = Buffer.alloc(7)
    size.writeUInt32LE(text.length)
    size.writeUIntLE((text.length << 3) | 1, 4, 3)
    return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0]), size, Buffer.from(text)])
  }

  test('identity and an empty Content-Encoding change nothing; gzip, deflate, br and zstd are unpacked', async () => {
    const packed: [string, (text: string) => string | Buffer][] = [
      ['identity', (text) => text],
      ['', (text) => text],
      ['gzip', gzipSync],
      ['X-GZIP', gzipSync],
      ['deflate', deflateSync],
      ['br', brotliCompressSync],
      ['zstd', zstdOf],
    ]
    for (const [index, [coding, pack]] of packed.entries())
      expect([coding, (await sendPacked(pack(JSON.stringify([good(`packed-${index}`)])), coding)).body]).toEqual([
        coding,
        { accepted: '1', duplicates: '0', rejected: [] },
      ])
  })

  test('a body that unpacks to more than the limits is rejected with 413, a damaged one with 400, and nothing is stored', async () => {
    const blanks = Buffer.alloc(EVENTS_BODY_BYTES_MAX + 1, ' ')
    const mixed = Buffer.from(Array.from({ length: 300_000 }, (_, index) => JSON.stringify(good(`bomb-${index}`))).join('\n'))
    for (const [coding, body] of [
      ['gzip', gzipSync(blanks)],
      ['gzip', gzipSync(mixed)],
      ['deflate', deflateSync(blanks)],
      ['br', brotliCompressSync(blanks)],
      // A frame that states 2 GiB, and one that repeats a byte 128 KiB for each 4 bytes without stating a size.
      ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0x80, 1, 0, 0])],
      ['zstd', Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x50]), ...Array(100).fill(Buffer.from([0x02, 0, 0x10, 0x20])), Buffer.from([1, 0, 0])])],
    ] as const) {
      const { status, body: answer } = await sendPacked(body, coding, { 'content-type': 'application/x-ndjson' })
      expect([coding, status, answer.code]).toEqual([coding, 413, 'TOO_LARGE'])
    }
    for (const [coding, body] of [
      ['gzip', 'text'],
      ['gzip', gzipSync('[]').subarray(0, -4)],
      ['br', 'text'],
      ['zstd', 'text'],
      ['zstd', zstdOf('[]').subarray(0, -1)],
    ] as const)
      expect([coding, (await sendPacked(body, coding)).body.code]).toEqual([coding, 'INVALID_REQUEST'])
  })
})

test('P2: a CloudEvent is the same event in binary mode, structured, as JSON and in a batch', async () => {
  const attributes = { specversion: '1.0', source: '/gw', id: 'é "1" 100%', type: 'mcp_calls', subject: 'modes', time: at }
  const headers = Object.fromEntries(Object.entries(attributes).map(([name, text]) => [`ce-${name}`, encodeURIComponent(text)]))
  expect((await sendPacked('{"value":2}', 'identity', headers)).body).toEqual({ accepted: '1', duplicates: '0', rejected: [] })
  const event = { ...attributes, data: { value: 2 } }
  for (const [body, contentType] of [
    [event, 'application/cloudevents+json'],
    [event, 'application/json'],
    [[event], 'application/cloudevents-batch+json'],
  ] as const)
    expect((await tested.client.sendBody(JSON.stringify(body), contentType)).body).toEqual({ accepted: '0', duplicates: '1', rejected: [] })
  const broken = await sendPacked('{"value":2}', 'identity', { ...headers, 'ce-id': '%ff' })
  expect(broken.body.rejected).toMatchObject([{ reason: 'invalid_event', message: expect.stringMatching(/^id must be/) }])
})

test('P7: a CloudEvent that was rejected is read as a CloudEvent when it is resent', async () => {
  // As JSON this would be a valid plain event.
  const { body } = await tested.client.sendBody(JSON.stringify(good('kept-format', { project_id: 'kept' })), 'application/cloudevents+json')
  expect(body.rejected).toMatchObject([{ reason: 'invalid_event', message: 'specversion must be the string "1.0".' }])
  const [kept] = (await tested.client.admin('GET', '/admin/v1/rejected-events?limit=1')).body.rejected_events
  const resent = await tested.client.admin('POST', '/admin/v1/rejected-events/resend', { ids: [kept.id] })
  expect(resent.body.events).toEqual([{ id: kept.id, outcome: 'rejected', reason: 'invalid_event' }])
})

test('P7: an element that is not JSON is rejected alone, with its index and the place', async () => {
  const { body } = await tested.client.sendBody(`[${JSON.stringify(good('sound-1'))},{"value":NaN},${JSON.stringify(good('sound-2'))}]`)
  expect(body).toMatchObject({ accepted: '2', rejected: [{ index: '1', reason: 'invalid_json', message: expect.stringContaining('at byte 9') }] })
})

test('no body of a legal size throws, or keeps the process busy for seconds', async () => {
  for (const { what, body, contentType, status, reason } of HOSTILE_BODIES) {
    const bytes = body()
    const before = process.cpuUsage()
    const answer = await tested.client.sendBody(bytes, contentType)
    const cpuMs = process.cpuUsage(before).user / 1_000
    const reasons: string[] = (answer.body.rejected ?? []).map((each: { reason: string }) => each.reason)
    expect([what, answer.status, reasons.at(-1)]).toEqual([what, status, reason])
    // CPU time, because other tests share the machine. The client is in this process too; what this must detect took seconds.
    expect([what, cpuMs < CPU_MS_MAX ? 'in time' : cpuMs]).toEqual([what, 'in time'])
  }
})

const CPU_MS_MAX = 2_500
