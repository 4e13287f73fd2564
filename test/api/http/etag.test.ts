import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Answer, Credentials } from '../../support/clients/client.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let partner: Credentials
beforeAll(async () => {
  tested = await startTestService()
  const { client } = tested
  partner = await client.createPartner('Ours')
  await client.createIngestKey()
  await client.registerProject('p', partner.partnerId)
  await client.send(event('e1', 5))
})
afterAll(() => tested.stop())

const USAGE = '/usage?start_date=2026-01-01&end_date=2026-01-31'
const event = (event_id: string, value: number | string) => ({ event_id, project_id: 'p', metric: 'ai_tokens', value, timestamp: '2026-01-15T12:00:00Z' })

const read = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> =>
  tested.client.call(method, `/partnership/v1/${partner.partnerId}${path}`, { headers: { 'x-partnership-secret': partner.secret, ...headers } })
const askAdmin = (path: string, headers: Record<string, string> = {}) =>
  tested.client.call('GET', path, { headers: { authorization: `Bearer ${tested.client.adminToken}`, ...headers } })
const etagOf = ({ headers }: Answer): string => headers.get('etag') ?? ''

describe('a conditional GET', () => {
  test('an unchanged answer is a 304 without a body, with the same tag and a request id', async () => {
    const first = await read(USAGE)
    expect(etagOf(first)).toMatch(/^W\/"[\w-]{22}"$/)
    const again = await read(USAGE, { 'if-none-match': etagOf(first) })
    expect([again.status, again.text, etagOf(again)]).toEqual([304, '', etagOf(first)])
    expect(again.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    expect([again.headers.get('content-type'), again.headers.get('cache-control')]).toEqual([null, 'private, no-cache'])
  })

  test("the tag of a partner's answer does not change with `as_of`", async () => {
    const first = await read(USAGE)
    let moved: Answer = first
    await untilSo(async () => {
      moved = await read(USAGE)
      return moved.body.as_of !== first.body.as_of
    })
    expect(etagOf(moved)).toBe(etagOf(first))
  })

  test('one more event changes the tag', async () => {
    const first = await read(USAGE)
    await tested.client.send(event('e2', '0.000000001'))
    const changed = await read(USAGE, { 'if-none-match': etagOf(first) })
    expect([changed.status, changed.body.summary.ai_tokens]).toEqual([200, '5.000000001'])
    expect(etagOf(changed)).not.toBe(etagOf(first))
  })

  test('a change in the last digit of a number of 38 digits changes the tag', async () => {
    await tested.client.send(event('long', '90071992547409930000'))
    const first = await read(USAGE)
    await tested.client.send(event('one', 1))
    expect((await read(USAGE, { 'if-none-match': etagOf(first) })).status).toBe(200)
  })

  test('a project name that looks like `as_of` is part of the tag', async () => {
    const path = '/projects?search=as_of&start_date=2026-01-01&end_date=2026-01-31'
    await tested.client.registerProject('named', partner.partnerId, { name: '"as_of":"a"' })
    const first = await read(path)
    expect(first.body.projects).toHaveLength(1)
    await tested.client.registerProject('named', partner.partnerId, { name: '"as_of":"b"' })
    expect((await read(path, { 'if-none-match': etagOf(first) })).status).toBe(200)
  })

  test('If-None-Match may be a list, is compared weakly, and may be *', async () => {
    const etag = etagOf(await read(USAGE))
    const strong = etag.slice(2)
    const statuses = async (...values: string[]) =>
      Promise.all(values.map(async (value) => [value, (await read(USAGE, { 'if-none-match': value })).status] as const))
    for (const [value, status] of await statuses('*', etag, strong, `"x", ${etag}`, `"a,b",W/"c" ,${strong},`)) expect([value, status]).toEqual([value, 304])
    for (const [value, status] of await statuses('', '"*"', '"x"', strong.slice(1, -1), `"${etag}"`)) expect([value, status]).toEqual([value, 200])
  })

  test('HEAD returns the same tag and status as GET', async () => {
    const [get, head] = [await read(USAGE), await read(USAGE, {}, 'HEAD')]
    expect([head.status, head.text, etagOf(head)]).toEqual([200, '', etagOf(get)])
    expect((await read(USAGE, { 'if-none-match': etagOf(get) }, 'HEAD')).status).toBe(304)
  })
})

describe('answers without a tag', () => {
  test('errors have no tag, and If-None-Match does not bypass authentication', async () => {
    const etag = etagOf(await read(USAGE))
    for (const [answer, status] of [
      [await read(USAGE, { 'if-none-match': '*', 'x-partnership-secret': 'wrong' }), 401],
      [await read('/nowhere/usage', { 'if-none-match': '*' }), 404],
      [await read('/usage?start_date=2026-02-31', { 'if-none-match': etag }), 400],
    ] as const)
      expect([answer.status, answer.headers.get('etag'), answer.headers.get('cache-control')]).toEqual([status, null, null])
  })

  test('If-None-Match does not make a change conditional', async () => {
    const answer = await tested.client.call('POST', '/v1/events', {
      headers: { authorization: `Bearer ${tested.client.ingestKey}`, 'content-type': 'application/json', 'if-none-match': '*' },
      body: '[]',
    })
    expect([answer.status, answer.headers.get('etag')]).toEqual([200, null])
  })

  test('streamed statements have no tag, because `unbilled` of a closed one changes', async () => {
    await tested.client.billFrom(partner.partnerId, '2026-01')
    const closed = await tested.client.closeMonth(partner.partnerId, '2026-01')
    expect(closed.status).toBe(200)
    const statement = await read('/statements/2026-01', { 'if-none-match': '*' })
    expect([statement.status, statement.headers.get('etag'), statement.headers.get('cache-control')]).toEqual([200, null, 'private, no-cache'])
    expect(statement.body.statement.sha256).toMatch(/^[0-9a-f]{64}$/)
    const file = await read('/statements/2026-01/export?format=csv', { 'if-none-match': '*' })
    expect([file.status, file.headers.get('etag'), file.headers.get('cache-control')]).toEqual([200, null, 'no-store'])
    for (const { headers } of [statement, file]) expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('answers with a secret have no tag, which would reveal a digest of it', async () => {
    await tested.client.admin('POST', '/api/secrets', { key: 'SHORT_PIN', value: '1234' })
    for (const path of ['/api/secrets', '/api/secrets/SHORT_PIN']) {
      const { status, headers } = await askAdmin(path)
      expect([path, status, headers.get('cache-control'), headers.get('etag')]).toEqual([path, 200, 'no-store', null])
    }
  })

  test('answers with the API key of a project have no tag', async () => {
    const metadata = await read('/p/metadata', { 'if-none-match': '*' })
    expect([metadata.status, metadata.body.project.api_key]).toEqual([200, expect.any(String)])
    expect([metadata.headers.get('cache-control'), metadata.headers.get('etag')]).toEqual(['no-store', null])
  })

  test('public answers have a tag and no Cache-Control', async () => {
    const described = await tested.client.call('GET', '/openapi.json')
    expect([described.headers.get('cache-control'), etagOf(described)]).toEqual([null, expect.stringMatching(/^W\/"/)])
    expect((await tested.client.call('GET', '/openapi.json', { headers: { 'if-none-match': etagOf(described) } })).status).toBe(304)
  })
})
