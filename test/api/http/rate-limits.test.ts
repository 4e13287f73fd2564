import { fastify } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ANY_ADMIN, PROJECT_READER } from '../../../api/auth/access.ts'
import { ProvenCredentials } from '../../../api/auth/proven-credentials.ts'
import { toApiError } from '../../../api/errors/errors.ts'
import { limitRequests } from '../../../api/http/rate-limits.ts'
import { StoreError } from '../../../sql/errors.ts'
import type { Answer, Credentials } from '../../support/clients/client.ts'
import { openConnection } from '../../support/clients/connection.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

describe('requests per credential', () => {
  let tested: TestService
  let partner: Credentials
  beforeAll(async () => {
    tested = await startTestService({ RATE_LIMIT_PER_MINUTE: '30', EVENT_REQUESTS_PER_MINUTE: '5', TRUSTED_PROXIES: '127.0.0.0/8' })
    partner = await tested.client.createPartner('Counted')
  })
  afterAll(() => tested.stop())
  /** Each test has an address of its own. */
  const from =
    (address: string) =>
    async (method: string, path: string, headers: Record<string, string> = {}, body?: string) =>
      tested.client.call(method, path, { headers: { 'x-forwarded-for': address, ...headers }, ...(body === undefined ? {} : { body }) })
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
  const newToken = async (): Promise<string> => (await tested.client.admin('POST', '/admin/v1/tokens', { role: 'operator' })).body.token

  test('every counted answer carries its policy and the remaining quota, a 401 too', async () => {
    const call = from('192.0.2.1')
    const left: number[] = []
    for (let index = 0; index < 3; index += 1) {
      const answer = await call('GET', '/admin/v1/partners', bearer(`wrong-${index}`))
      expect([answer.status, answer.headers.get('ratelimit-policy')]).toEqual([401, '"default";q=30;w=60'])
      left.push(leftOf(answer))
    }
    expect(left).toEqual([29, 28, 27])
    const good = await from('192.0.2.1')('GET', '/admin/v1/partners', bearer(tested.client.adminToken))
    expect([good.status, leftOf(good) > 20]).toEqual([200, true])
    expect(leftOf(await call('GET', '/docs/'))).toBe(26)
  })

  test('requests beyond the quota get 429 with Retry-After, and other credentials are not affected', async () => {
    const [call, token, other] = [from('192.0.2.2'), bearer(await newToken()), bearer(await newToken())]
    await call('GET', '/admin/v1/partners', token)
    const answers = await Promise.all(Array.from({ length: 40 }, () => call('GET', '/admin/v1/partners', token)))
    const limited = answers.filter(({ status }) => status === 429)
    expect(limited).toHaveLength(10)
    for (const answer of limited) {
      const seconds = Number(answer.headers.get('retry-after'))
      expect(seconds).toBeGreaterThan(0)
      expect(seconds).toBeLessThanOrEqual(60)
      expect([answer.body.code, answer.headers.get('ratelimit')]).toEqual(['RATE_LIMITED', `"default";r=0;t=${seconds}`])
      expect(answer.headers.get('x-request-id')).toBe(answer.body.request_id)
    }
    expect((await call('GET', '/admin/v1/partners', other)).status).toBe(200)
  })

  test('POST /v1/events has a policy and a quota of its own', async () => {
    const call = from('192.0.2.3')
    const events = await Promise.all(Array.from({ length: 8 }, () => call('POST', '/v1/events', bearer('emitter'), '[]')))
    expect(events.filter(({ status }) => status === 429)).toHaveLength(3)
    expect(events[0]?.headers.get('ratelimit-policy')).toBe('"events";q=5;w=60')
    expect(leftOf(await call('GET', '/v1/rejected-events', bearer('emitter')))).toBe(29)
  })

  test('P5: a credential is counted once, however its header is spelled and whatever else is sent', async () => {
    const call = from('192.0.2.4')
    const left = async (path: string, headers: Record<string, string>) => leftOf(await call('GET', path, headers))
    const statements = `/partnership/v1/${partner.partnerId}/statements`
    const secret = { 'x-partnership-secret': partner.secret }
    // Not proven yet: it counts for the network, once.
    expect(await left(statements, secret)).toBe(29)
    expect(await left(statements, secret)).toBe(29)
    for (const [index, other] of ['Bearer made-up-1', 'Bearer made-up-2', 'Basic eDp5'].entries())
      expect(await left(statements, { ...secret, authorization: other })).toBe(28 - index)
    const { id } = (await tested.client.partner(partner, 'POST', '/sync-embedded-project', '{"project_name":"p"}')).body.project
    const { code } = (await tested.client.partner(partner, 'POST', `/${id}/authorization`)).body
    const usage = `/partnership/v1/${partner.partnerId}/${id}/usage?start_date=2026-01-01&end_date=2026-01-31`
    // The reports take a project's code too, where no secret is sent.
    const before = await left(statements, secret)
    expect(await left(usage, { ...secret, authorization: 'Bearer made-up-3' })).toBe(before - 1)
    expect(await left(usage, bearer(code))).toBe(28)
    expect([await left(usage, bearer(code)), await left(usage, { authorization: `bearer ${code}` })]).toEqual([29, 28])
    const token = await newToken()
    expect(await left('/admin/v1/partners', bearer(token))).toBe(27)
    const spelled = [`Bearer ${token}`, `bEaReR ${token}`, `BEARER ${token}`]
    const lefts: number[] = []
    for (const authorization of spelled) lefts.push(await left('/admin/v1/partners', { authorization, 'x-partnership-secret': authorization }))
    expect(lefts).toEqual([29, 28, 27])
  })

  test('requests without a credential, and to routes that need none, count by address', async () => {
    const call = from('192.0.2.5')
    const left = async (path: string, headers: Record<string, string>) => leftOf(await call('GET', path, headers))
    expect(await left('/.well-known/jwks.json', {})).toBe(29)
    expect(await left('/.well-known/jwks.json', { authorization: 'Bearer made-up', 'x-partnership-secret': 'made-up' })).toBe(28)
    for (const [index, authorization] of ['Basic eDp5', 'Bearer', 'Bearer  two-spaces', `Bearer ${'x'.repeat(5_000)}`].entries())
      expect(await left('/admin/v1/partners', { authorization })).toBe(27 - index)
  })

  test('P5: whatever is not proven is limited by its network, forged codes of projects too', async () => {
    const call = from('192.0.2.6')
    const usage = `/partnership/v1/${partner.partnerId}/p/usage?start_date=2026-01-01&end_date=2026-01-31`
    const statusesOf = async (headersOf: (index: number) => Record<string, string>) =>
      (await Promise.all(Array.from({ length: 20 }, (_, index) => call('GET', usage, headersOf(index))))).map(({ status }) => status)
    const forged = await statusesOf((index) => bearer(`e30.${index}.e30`))
    const guessed = await statusesOf((index) => ({ 'x-partnership-secret': `mls_${index}` }))
    expect([forged, guessed].flat().filter((status) => status === 401)).toHaveLength(30)
    expect([forged, guessed].flat().filter((status) => status === 429)).toHaveLength(10)
    // A proven credential goes on from the same address; another network is not affected.
    expect((await call('GET', '/admin/v1/partners', bearer(tested.client.adminToken))).status).toBe(200)
    expect((await from('192.0.2.7')('GET', usage, bearer('e30.e30.e30'))).status).toBe(401)
  })

  test('no headers of older drafts are sent, and unlimited routes send none', async () => {
    const counted = await from('192.0.2.9')('GET', '/admin/v1/partners', bearer('old'))
    const free = await tested.client.call('GET', '/healthz')
    const limitsOf = ({ headers }: Answer) => [...headers.keys()].filter((name) => name.includes('ratelimit'))
    expect([limitsOf(counted), limitsOf(free)]).toEqual([['ratelimit', 'ratelimit-policy'], []])
  })

  test('/healthz, /readyz and /metrics are not rate limited', async () => {
    for (const path of ['/healthz', '/readyz', '/metrics']) {
      const answers = await Promise.all(Array.from({ length: 40 }, () => tested.client.call('GET', path)))
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    }
  })

  test('a request id sent by the client is ignored', async () => {
    for (const path of ['/healthz', '/nowhere', '/admin/v1/partners']) {
      const answer = await tested.client.call('GET', path, { headers: { 'x-request-id': 'mine', 'request-id': 'mine' } })
      expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    }
  })

  test('a request whose headers never end is answered and its connection closed', async () => {
    const unfinished = openConnection(tested.service.url)
    unfinished.write('GET /healthz HTTP/1.1\r\nHost: meterline\r\nX-Slow: ')
    expect(await unfinished.answer).toMatchObject({ status: 400, body: { code: 'INVALID_REQUEST', request_id: expect.any(String) } })
  })
})

test('the addresses of an IPv6 /64 count as one', async () => {
  const tested = await startTestService({ RATE_LIMIT_PER_MINUTE: '30', TRUSTED_PROXIES: '127.0.0.0/8,::1/128' })
  const left = async (address: string) => leftOf(await tested.client.call('GET', '/.well-known/jwks.json', { headers: { 'x-forwarded-for': address } }))
  expect([await left('2001:db8::1'), await left('2001:db8::ffff:1'), await left('2001:db8:0:1::1')]).toEqual([29, 28, 29])
  await tested.stop()
})

test('P5: a credential in use keeps its count while more others than are counted are invented, or made as codes', async () => {
  const [app, proven, countsMax] = [fastify(), new ProvenCredentials(() => performance.now()), 100]
  await limitRequests(app, { requestsPerMinute: 30, eventRequestsPerMinute: 5, adminToken: 'admin', countsMax }, proven)
  app.get('/admin', { config: { access: ANY_ADMIN } }, async () => 'read')
  app.get('/partner/:partnerId', { config: { access: PROJECT_READER } }, async () => 'read')
  const left = async (url: string, token: string, remoteAddress: string) => {
    const { headers } = await app.inject({ url, remoteAddress, headers: { authorization: `Bearer ${token}` } })
    return leftIn(String(headers['ratelimit']))
  }
  const inUse = [['/admin', 'in-use'] as const, ['/admin', 'admin'] as const]
  proven.note(['admin', 'in-use'], true)
  for (const [url, token] of inUse) expect([await left(url, token, '192.0.2.1'), await left(url, token, '192.0.2.2')]).toEqual([29, 28])
  const flood = new Set<number>()
  for (let index = 0; index < 3 * countsMax; index += 1) {
    const address = `10.0.${Math.floor(index / 100)}.${index % 100}`
    proven.note(['code', `code-${index}`], true)
    flood.add(await left('/admin', `invented-${index}`, address)).add(await left('/partner/p', `code-${index}`, address))
  }
  expect(flood).toEqual(new Set([29]))
  for (const [url, token] of inUse) expect(await left(url, token, '192.0.2.3')).toBe(27)
  await app.close()
})

describe('concurrent reads', () => {
  let tested: TestService
  let greedy: Credentials
  let modest: Credentials
  beforeAll(async () => {
    tested = await startTestService({ READ_ROWS_MAX: '3000' })
    const { client } = tested
    greedy = await client.createPartner('Greedy')
    modest = await client.createPartner('Modest')
    await client.createIngestKey()
    await client.registerProject('modest', modest.partnerId)
    for (let project = 0; project < 40; project += 1) await client.registerProject(`greedy-${project}`, greedy.partnerId)
    await client.send([usage('modest', 1), ...Array.from({ length: 40 }, (_, project) => usage(`greedy-${project}`, 1))])
  })
  afterAll(() => tested.stop())

  test('a short query is answered while fifty long ones of another partner wait', async () => {
    const order: string[] = []
    const read = async (partner: Credentials, name: string) => {
      const { status } = await tested.client.partner(partner, 'GET', '/projects?sort=-total_ai_tokens&limit=100&start_date=2025-01-01&end_date=2025-12-31')
      order.push(`${name} ${status}`)
    }
    const long = Array.from({ length: 50 }, () => read(greedy, 'greedy'))
    await Promise.race(long)
    await Promise.all([...long, read(modest, 'modest')])
    expect(order.filter((each) => each === 'greedy 200')).toHaveLength(50)
    expect(order.indexOf('modest 200')).toBeLessThan(12)
  })

  test('lists do not use the session that authentication and changes share', async () => {
    const queried: string[] = []
    const { registry } = tested.service.clickhouse
    const { query } = registry
    Object.assign(registry, {
      query: (...[namedQuery, params]: Parameters<typeof query>) => {
        queried.push(namedQuery.name)
        return query(namedQuery, params)
      },
    })
    for (const sort of ['name', '-created_at', '-total_ai_tokens'])
      expect((await tested.client.partner(modest, 'GET', `/projects?sort=${sort}`)).body.projects).toHaveLength(1)
    Object.assign(registry, { query })
    expect(queried.filter((name) => name !== 'living_partner_secrets')).toEqual([])
  })

  test('reads beyond the waiting limit get 429 with Retry-After', async () => {
    const answers = await Promise.all(
      Array.from({ length: 260 }, () => tested.client.partner(greedy, 'GET', '/projects?sort=-total_ai_tokens&start_date=2025-01-01&end_date=2025-12-31')),
    )
    const rejected = answers.filter(({ status }) => status !== 200)
    expect(rejected.length).toBeGreaterThan(0)
    for (const { status, body, headers } of rejected) expect([status, body.code, headers.get('retry-after')]).toEqual([429, 'TOO_MANY_AT_ONCE', '1'])
    // Every turn was given back.
    expect((await tested.client.partner(greedy, 'GET', '/projects')).status).toBe(200)
  })

  test('a query that would read too many rows is rejected and says what to request instead', async () => {
    // Of each project on each of 250 days: 10,000 rows that no merge makes fewer.
    await tested.client.send(Array.from({ length: 10_000 }, (_, index) => usage(`greedy-${index % 40}`, 1 + Math.floor(index / 40), 'day')))
    const { status, body, headers } = await tested.client.partner(greedy, 'GET', '/projects?sort=-total_ai_tokens&start_date=2025-01-01&end_date=2025-12-31')
    expect([status, body]).toEqual([
      400,
      { success: false, code: 'QUERY_TOO_LARGE', message: expect.stringContaining('shorter period'), request_id: headers.get('x-request-id') },
    ])
    expect((await tested.client.projectUsage(modest, 'modest', '2026-01-01', '2026-01-31')).status).toBe(200)
    // What works on all there is has no such limit.
    const audit = await tested.client.audit()
    expect([audit.status, Number(audit.body.events_recounted)]).toEqual([200, 10_041])
  })
})

test("a query that the store has no time or memory for is a retryable 503, not the caller's fault", () => {
  const accepted = { bytesMax: 1, types: [] }
  const [busy, tooLarge] = [toApiError(new StoreError('exhausted', 'internal words'), accepted), toApiError(new StoreError('too_large', 'x'), accepted)]
  expect([busy.status, busy.code, busy.message]).toEqual([503, 'STORE_UNAVAILABLE', expect.stringMatching(/Try again, or request a shorter period\.$/)])
  expect([tooLarge.status, tooLarge.code]).toEqual([400, 'QUERY_TOO_LARGE'])
})

function leftOf({ headers }: Answer): number {
  return leftIn(headers.get('ratelimit') ?? '')
}

function leftIn(header: string): number {
  return Number(/^"\w+";r=(\d+);t=\d+$/.exec(header)?.[1])
}

function usage(project_id: string, dayOfYear: number, event_id = 'e') {
  const timestamp = new Date(Date.UTC(2025, 0, dayOfYear)).toISOString()
  return { event_id: `${event_id}-${dayOfYear}`, project_id, metric: 'ai_tokens', value: 1, timestamp }
}
