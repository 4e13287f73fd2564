import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Registry } from '../../../registry/registry.ts'
import type { Answer, Credentials } from '../../support/clients/client.ts'
import { craftToken, partsOf, rs256, type TokenParts, unsigned } from '../../support/clients/crafted-token.ts'
import { openTestRegistry, TEST_MASTER_KEY } from '../../support/worlds/test-registry.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const ISSUER = 'https://usage.example'

let tested: TestService
let registry: Registry
let partner: Credentials
let other: Credentials
let projectId: string
beforeAll(async () => {
  tested = await startTestService({ MASTER_KEY: TEST_MASTER_KEY, PUBLIC_URL: ISSUER })
  // Another process with the same MASTER_KEY: it holds the real private key.
  registry = await openTestRegistry(tested.service.clickhouse, { publicUrl: ISSUER })
  partner = await tested.client.createPartner('Mine')
  other = await tested.client.createPartner('Other')
  projectId = await sync(partner)
  await tested.client.createIngestKey()
  await tested.client.send([{ event_id: 'e', project_id: projectId, metric: 'ai_tokens', value: 2.5, timestamp: new Date().toISOString() }])
})
afterAll(() => tested.stop())

const sync = async (credentials: Credentials): Promise<string> =>
  (await tested.client.partner(credentials, 'POST', '/sync-embedded-project', '{"project_name":"shop"}')).body.project.id
const create = (credentials = partner, body?: object) =>
  tested.client.partner(credentials, 'POST', '/tokens', body === undefined ? undefined : JSON.stringify(body))
const tokenOf = async (credentials = partner): Promise<string> => (await create(credentials)).body.token
const by = (token: string, path: string, { method = 'GET', partnerId = partner.partnerId } = {}) =>
  tested.client.call(method, `/partnership/v1/${partnerId}${path}`, {
    headers: { authorization: `Bearer ${token}`, ...(method === 'GET' ? {} : { 'content-type': 'application/json' }) },
  })

/** The answer to a wrong secret, and nothing more. */
function expectUnauthenticated(answer: Answer): void {
  const { request_id, ...answered } = answer.body
  expect([answer.status, answered]).toEqual([401, { success: false, message: 'The credentials are missing or not valid.', code: 'UNAUTHENTICATED' }])
  expect(request_id).toEqual(expect.any(String))
}

describe('creating a partner token', () => {
  test('the answer, the header and the claims are as described, field by field', async () => {
    const before = Math.floor(Date.now() / 1000)
    const { status, body } = await create()
    const after = Math.floor(Date.now() / 1000)
    const { header, claims } = partsOf(body.token)
    const iat = claims['iat'] as number
    const expires_at = new Date((iat + 600) * 1000).toISOString().replace('.000', '')
    expect([status, body]).toEqual([200, { token: expect.any(String), expires_in: '600', expires_at, type: 'Bearer' }])
    expect(header).toEqual({ alg: 'RS256', typ: 'partner+jwt', kid: expect.stringMatching(/^meterline-key-/) })
    const [iss, aud, sub, exp] = [ISSUER, `${ISSUER}/partnership/v1`, partner.partnerId, iat + 600]
    expect(claims).toEqual({ iss, aud, sub, iat, nbf: iat, exp, jti: expect.stringMatching(/^[0-9a-f-]{36}$/) })
    expect(iat).toBeGreaterThanOrEqual(before)
    expect(iat).toBeLessThanOrEqual(after)
  })

  test('it lives for a minute to an hour', async () => {
    for (const expires_in of [60, 3_600]) {
      const { status, body } = await create(partner, { expires_in })
      const { exp, iat } = partsOf(body.token).claims as Record<string, number>
      expect([status, body.expires_in, (exp ?? 0) - (iat ?? 0)]).toEqual([200, String(expires_in), expires_in])
      expect((await by(body.token, '/usage')).status).toBe(200)
    }
    for (const body of [{ expires_in: 59 }, { expires_in: 3_601 }, { expires_in: 60.5 }, { expires_in: '60' }, { scope: 'all' }])
      expect([body, (await create(partner, body)).status]).toEqual([body, 400])
  })

  test('partners of both modes may create one', async () => {
    const coBranded = await tested.client.createPartner('Co', 'co-branded')
    expect((await by(await tokenOf(coBranded), '/usage', { partnerId: coBranded.partnerId })).status).toBe(200)
  })
})

describe('P5: what a partner token can read', () => {
  const month = new Date().toISOString().slice(0, 7)
  test('it reads usage, projects and statements as the secret does', async () => {
    const token = await tokenOf()
    const paths = ['/usage', '/usage?include=daily', '/usage/explain?metric=ai_tokens', '/projects', '/statements', `/statements/${month}`]
    for (const path of [...paths, `/statements/${month}/export?format=csv`, `/${projectId}/usage`]) {
      const [bySecret, byToken] = [await tested.client.partner(partner, 'GET', path), await by(token, path)]
      expect([path, bySecret.status, byToken.status]).toEqual([path, 200, 200])
      const timeless = ({ text }: Answer) =>
        text.replaceAll(/"(?:as_of|request_id|evaluated_at|created_at)":"[^"]*"/g, '').replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '')
      expect([path, timeless(byToken)]).toEqual([path, timeless(bySecret)])
    }
  })

  test('it reads no API key, changes nothing and creates no other token', async () => {
    const token = await tokenOf()
    for (const [method, path] of [
      ['GET', `/${projectId}/metadata`],
      ['POST', '/tokens'],
      ['POST', '/sync-embedded-project'],
      ['POST', `/${projectId}/pause`],
      ['POST', `/${projectId}/authorization`],
      ['DELETE', `/${projectId}`],
    ] as const)
      expect([method, path, (await by(token, path, { method })).status]).toEqual([method, path, 401])
  })

  test("at another partner's path it is the same 401 as at an unknown one", async () => {
    const token = await tokenOf()
    for (const path of ['/usage', '/projects', '/statements', `/${projectId}/usage`])
      for (const partnerId of [other.partnerId, 'ps_AAAAAAAAAAAA']) expectUnauthenticated(await by(token, path, { partnerId }))
    // And a project of another partner is not found, as with the secret.
    expect((await by(token, `/${await sync(other)}/usage`)).status).toBe(404)
  })

  test('a secret that is sent too decides alone', async () => {
    const path = `/partnership/v1/${partner.partnerId}/usage`
    const authorization = `Bearer ${await tokenOf()}`
    expectUnauthenticated(await tested.client.call('GET', path, { headers: { authorization, 'x-partnership-secret': other.secret } }))
    expect((await tested.client.call('GET', path, { headers: { authorization: 'Bearer e30.e30.e30', 'x-partnership-secret': partner.secret } })).status).toBe(
      200,
    )
  })

  test('it outlives a revoked secret, and ends when its partner is disabled', async () => {
    const leaving = await tested.client.createPartner('Leaving')
    const token = await tokenOf(leaving)
    const read = () => by(token, '/usage', { partnerId: leaving.partnerId })
    await tested.client.admin('POST', `/admin/v1/partners/${leaving.partnerId}/secrets`, { overlap_seconds: 0 })
    expect([(await create(leaving)).status, (await read()).status]).toEqual([401, 200])
    await tested.client.admin('PATCH', `/admin/v1/partners/${leaving.partnerId}`, { disabled: true })
    expectUnauthenticated(await read())
  })
})

describe('P5: none of the three kinds of tokens is accepted as another', () => {
  const KINDS = ['project code', 'admin token', 'partner token'] as const
  type Kind = (typeof KINDS)[number]
  let good: Record<Kind, string>
  let sign: (parts: TokenParts) => string
  /** A route that accepts this kind and no other one. */
  const ROUTES: Record<Kind, () => string> = {
    'project code': () => `/partnership/v1/${partner.partnerId}/${projectId}/metadata`,
    'admin token': () => '/admin/v1/partners',
    'partner token': () => `/partnership/v1/${partner.partnerId}/usage`,
  }
  beforeAll(async () => {
    const { privateKey } = await registry.signingKeys.currentKey()
    sign = (parts) => craftToken(parts, rs256(privateKey))
    good = {
      'project code': (await tested.client.partner(partner, 'POST', `/${projectId}/authorization`)).body.code,
      'admin token': (await tested.client.admin('POST', '/admin/v1/tokens', { role: 'operator' })).body.token,
      'partner token': await tokenOf(),
    }
  })
  const statusOf = async (kind: Kind, token: string) =>
    (await tested.client.call('GET', ROUTES[kind](), { headers: { authorization: `Bearer ${token}` } })).status

  test.each(KINDS.flatMap((sent) => KINDS.map((accepted) => [sent, accepted] as const)))('a %s where a %s is accepted', async (sent, accepted) => {
    expect(await statusOf(accepted, good[sent])).toBe(sent === accepted ? 200 : 401)
  })

  test('the type alone, or the audience and the subject alone, do not make one kind of another', async () => {
    for (const sent of KINDS)
      for (const accepted of KINDS.filter((kind) => kind !== sent)) {
        const [from, to] = [partsOf(good[sent]), partsOf(good[accepted])]
        expect([sent, accepted, await statusOf(accepted, sign({ header: to.header, claims: from.claims }))]).toEqual([sent, accepted, 401])
        expect([sent, accepted, await statusOf(accepted, sign({ header: from.header, claims: to.claims }))]).toEqual([sent, accepted, 401])
        // The crafting itself is right: both together are that other kind.
        expect([accepted, await statusOf(accepted, sign(to))]).toEqual([accepted, 200])
      }
  })

  test('a token that has expired, begins later, is for another audience, issuer or partner, or is not signed is rejected', async () => {
    const parts = partsOf(good['partner token'])
    const now = Math.floor(Date.now() / 1000)
    const claiming = (claims: object) => sign({ header: parts.header, claims: { ...parts.claims, ...claims } })
    const wrong: Record<string, string> = {
      expired: claiming({ iat: now - 700, nbf: now - 700, exp: now - 100 }),
      later: claiming({ nbf: now + 300 }),
      'another audience': claiming({ aud: `${ISSUER}/admin/v1` }),
      'another issuer': claiming({ iss: 'https://elsewhere.example' }),
      'another partner': claiming({ sub: other.partnerId }),
      'no end': claiming({ exp: undefined }),
      'no id': claiming({ jti: undefined }),
      unsigned: craftToken({ header: { ...parts.header, alg: 'none' }, claims: parts.claims }, unsigned),
      empty: 'e30.e30.e30',
    }
    for (const [name, token] of Object.entries(wrong)) {
      const answer = await by(token, '/usage')
      expect([name, answer.status]).toEqual([name, 401])
      expectUnauthenticated(answer)
    }
    expect((await by(claiming({}), '/usage')).status).toBe(200)
  })
})
