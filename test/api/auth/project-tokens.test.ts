import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SERVICE } from '../../../registry/audit-log.ts'
import { setPartnerDisabled } from '../../../registry/change-partners.ts'
import type { Registry } from '../../../registry/registry.ts'
import type { Answer, Credentials } from '../../support/clients/client.ts'
import { craftToken, hs256, partsOf, rs256, type TokenParts, unsigned } from '../../support/clients/crafted-token.ts'
import { startWebhookReceiver } from '../../support/clients/webhook-receiver.ts'
import { openTestRegistry, TEST_MASTER_KEY } from '../../support/worlds/test-registry.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const ISSUER = 'https://usage.example'
const KID = /^meterline-key-\d{4}-\d\d-\d\d(-\d+)?$/

let tested: TestService
let registry: Registry
let partner: Credentials
let other: Credentials
let elsewhere: Awaited<ReturnType<typeof startWebhookReceiver>>
beforeAll(async () => {
  tested = await startTestService({ MASTER_KEY: TEST_MASTER_KEY, PUBLIC_URL: ISSUER })
  // Another process with the same MASTER_KEY: it holds the real private key.
  registry = await openTestRegistry(tested.service.clickhouse, { publicUrl: ISSUER })
  partner = await tested.client.createPartner('White')
  other = await tested.client.createPartner('Other')
  elsewhere = await startWebhookReceiver()
})
afterAll(async () => {
  await elsewhere.stop()
  await tested.stop()
})

interface Made {
  readonly id: string
  readonly access_host: string
}

const sync = async (name: string, credentials = partner): Promise<Made> =>
  (await tested.client.partner(credentials, 'POST', '/sync-embedded-project', JSON.stringify({ project_name: name }))).body.project
const authorize = (projectId: string, credentials = partner, body?: string) => tested.client.partner(credentials, 'POST', `/${projectId}/authorization`, body)
const codeOf = async (projectId: string): Promise<string> => (await authorize(projectId)).body.code
const bearer = (code: string) => ({ authorization: `Bearer ${code}` })
const usageBy = (code: string, projectId: string, partnerId = partner.partnerId) =>
  tested.client.call('GET', `/partnership/v1/${partnerId}/${projectId}/usage`, { headers: bearer(code) })
const jwks = async () => (await tested.client.call('GET', '/.well-known/jwks.json')).body.keys as Record<string, string>[]

/** The answer to a wrong secret, and nothing more. */
function expectUnauthenticated(answer: Answer): void {
  const { request_id, ...answered } = answer.body
  expect([answer.status, answered]).toEqual([401, { success: false, message: 'The credentials are missing or not valid.', code: 'UNAUTHENTICATED' }])
  expect(request_id).toEqual(expect.any(String))
}

describe('a project token', () => {
  test('a project token has the documented answer, header and claims, field by field', async () => {
    const project = await sync('fields')
    const before = Math.floor(Date.now() / 1000)
    const { status, body } = await authorize(project.id)
    const after = Math.floor(Date.now() / 1000)
    expect([status, body]).toEqual([200, { code: expect.any(String), expires_in: '600', type: 'Bearer' }])
    const { header, claims } = partsOf(body.code)
    expect(header).toEqual({ alg: 'RS256', typ: 'JWT', kid: expect.stringMatching(KID) })
    expect(header['kid']).toBe((await jwks())[0]?.['kid'])
    const iat = claims['iat'] as number
    expect(claims).toEqual({
      iss: ISSUER,
      aud: project.access_host,
      sub: project.id,
      partner: partner.partnerId,
      iat,
      nbf: iat,
      exp: iat + 600,
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
    expect(iat).toBeGreaterThanOrEqual(before)
    expect(iat).toBeLessThanOrEqual(after)
  })

  test("a project token can be verified with the published keys, as the project's own host does", async () => {
    const project = await sync('verified')
    const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', tested.service.url))
    const { payload } = await jwtVerify(await codeOf(project.id), keys, { issuer: ISSUER, audience: project.access_host, algorithms: ['RS256'] })
    expect(payload.sub).toBe(project.id)
    await expect(jwtVerify(await codeOf(project.id), keys, { issuer: ISSUER, audience: 'https://elsewhere' })).rejects.toThrow('aud')
  })

  test('a project token is issued for no body, an empty one and {}; other bodies are rejected', async () => {
    const { id } = await sync('bodies')
    for (const body of [undefined, '', '{}']) expect((await authorize(id, partner, body)).status).toBe(200)
    const rejected = await authorize(id, partner, '{"expires_in":86400}')
    expect([rejected.status, rejected.body.message]).toEqual([400, expect.stringContaining('expires_in')])
  })

  test('a project token is issued for active and paused projects of the caller, not for deleted, unknown or foreign ones', async () => {
    const [paused, deleted, foreign] = [await sync('paused'), await sync('deleted'), await sync('foreign', other)]
    expect((await tested.client.partner(partner, 'POST', `/${paused.id}/pause`)).status).toBe(200)
    expect((await authorize(paused.id)).status).toBe(200)
    const code = await codeOf(deleted.id)
    expect((await usageBy(code, deleted.id)).status).toBe(200)
    await tested.client.partner(partner, 'DELETE', `/${deleted.id}`)
    expectUnauthenticated(await usageBy(code, deleted.id))
    for (const id of [deleted.id, foreign.id, 'nothing', '%27%20OR%201%3D1'])
      expect([(await authorize(id)).status, (await authorize(id)).body.code]).toEqual([404, 'PROJECT_NOT_FOUND'])
    const coBranded = await tested.client.createPartner('Co', 'co-branded')
    expect([(await authorize('x', coBranded)).status, (await authorize('x', coBranded)).body.code]).toEqual([403, 'MODE_NOT_ALLOWED'])
  })
})

describe('the published keys', () => {
  test('the published keys are cacheable for five minutes and have public members only', async () => {
    const answer = await tested.client.call('GET', '/.well-known/jwks.json')
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'public, max-age=300'])
    expect(answer.headers.get('content-type')).toContain('application/json')
    expect(Object.keys(answer.body)).toEqual(['keys'])
    for (const key of answer.body.keys) {
      expect(Object.keys(key).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use'])
      expect(key).toMatchObject({ kty: 'RSA', alg: 'RS256', use: 'sig', e: 'AQAB' })
      expect(Buffer.from(key.n, 'base64url')).toHaveLength(256)
    }
  })
})

describe('P5: what a project token can read', () => {
  test('a project token reads usage and metadata of its project, unless a partner secret is sent too', async () => {
    const { id } = await sync('reads')
    const code = await codeOf(id)
    const bySecret = await tested.client.partner(partner, 'GET', `/${id}/usage`)
    const byCode = await usageBy(code, id)
    expect([byCode.status, { ...byCode.body, as_of: '' }]).toEqual([200, { ...bySecret.body, as_of: '' }])
    const metadata = await tested.client.call('GET', `/partnership/v1/${partner.partnerId}/${id}/metadata`, { headers: bearer(code) })
    expect([metadata.status, metadata.body]).toEqual([200, (await tested.client.partner(partner, 'GET', `/${id}/metadata`)).body])
    const path = `/partnership/v1/${partner.partnerId}/${id}/usage`
    expectUnauthenticated(await tested.client.call('GET', path, { headers: { ...bearer(code), 'x-partnership-secret': other.secret } }))
    expect((await tested.client.call('GET', path, { headers: { ...bearer('nonsense'), 'x-partnership-secret': partner.secret } })).status).toBe(200)
  })

  test('a project token opens no other project, no other route and no other partner', async () => {
    const [mine, neighbour, foreign] = [await sync('mine'), await sync('neighbour'), await sync('theirs', other)]
    const code = await codeOf(mine.id)
    for (const [projectId, partnerId] of [
      [neighbour.id, partner.partnerId],
      [foreign.id, other.partnerId],
      [mine.id, other.partnerId],
      [foreign.id, partner.partnerId],
      ['nothing', partner.partnerId],
      [mine.id, 'ps_unknown'],
    ] as const)
      expectUnauthenticated(await usageBy(code, projectId, partnerId))
    expectUnauthenticated(await tested.client.partner({ ...partner, secret: code }, 'GET', `/${mine.id}/usage`))
    for (const [method, path] of [
      ['GET', '/usage'],
      ['GET', '/projects'],
      ['POST', `/${mine.id}/authorization`],
      ['DELETE', `/${mine.id}`],
    ] as const)
      expect((await tested.client.call(method, `/partnership/v1/${partner.partnerId}${path}`, { headers: bearer(code) })).status).toBe(401)
  })

  test('a project token ends when its project moves to another host or its partner is disabled', async () => {
    const { id } = await sync('moves')
    const code = await codeOf(id)
    expect((await usageBy(code, id)).status).toBe(200)
    await tested.client.partner(partner, 'POST', '/sync-embedded-project', '{"project_name":"moves","region":"eu-west"}')
    expectUnauthenticated(await usageBy(code, id))

    const leaving = await tested.client.createPartner('Leaving')
    const project = await sync('last', leaving)
    const last = (await authorize(project.id, leaving)).body.code
    expect((await usageBy(last, project.id, leaving.partnerId)).status).toBe(200)
    await setPartnerDisabled(registry, SERVICE, { partnerId: leaving.partnerId, disabled: true })
    expectUnauthenticated(await usageBy(last, project.id, leaving.partnerId))
  })
})

describe('P5: a forged token is rejected like a wrong secret, and no URL in it is fetched:', () => {
  let project: Made
  let good: TokenParts
  let ours: KeyObject
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const strangerJwk = stranger.publicKey.export({ format: 'jwk' })
  beforeAll(async () => {
    project = await sync('attacked')
    good = partsOf(await codeOf(project.id))
    ours = (await registry.signingKeys.currentKey()).privateKey
  })

  const now = () => Math.floor(Date.now() / 1000)
  const headed = (header: object): TokenParts => ({ header: { ...good.header, ...header }, claims: good.claims })
  const claiming = (claims: object): TokenParts => ({ header: good.header, claims: { ...good.claims, ...claims } })
  const pem = (type: 'spki' | 'pkcs1') => createPublicKey(ours).export({ format: 'pem', type }) as string
  const jwk = () => JSON.stringify(createPublicKey(ours).export({ format: 'jwk' }))
  const byOurs = (parts: TokenParts) => craftToken(parts, rs256(ours))
  const byStranger = (parts: TokenParts) => craftToken(parts, rs256(stranger.privateKey))

  const ATTACKS: Record<string, () => string> = {
    'alg none, unsigned': () => craftToken(headed({ alg: 'none' }), unsigned),
    'alg nOnE, unsigned': () => craftToken(headed({ alg: 'nOnE' }), unsigned),
    'alg none, with the good signature': () => craftToken(headed({ alg: 'none' }), rs256(ours)),
    'RS256, unsigned': () => craftToken(good, unsigned),
    'HS256 with the public key (SPKI) as its secret': () => craftToken(headed({ alg: 'HS256' }), hs256(pem('spki'))),
    'HS256 with the public key (PKCS #1) as its secret': () => craftToken(headed({ alg: 'HS256' }), hs256(pem('pkcs1'))),
    'HS256 with the JWK as its secret': () => craftToken(headed({ alg: 'HS256' }), hs256(jwk())),
    'HS256 with the modulus as its secret': () => craftToken(headed({ alg: 'HS256' }), hs256(Buffer.from(JSON.parse(jwk()).n, 'base64url'))),
    'RS256 in the header, HS256 in truth': () => craftToken(good, hs256(pem('spki'))),
    'RS512 by our own key': () => byOurs(headed({ alg: 'RS512' })),
    'another RSA key under our kid': () => byStranger(good),
    'jku that leads elsewhere': () => byStranger(headed({ jku: elsewhere.url })),
    'jku and a kid of there': () => byStranger(headed({ jku: elsewhere.url, kid: 'theirs' })),
    'x5u that leads elsewhere': () => byStranger(headed({ x5u: elsewhere.url })),
    'jwk with the key that signed it': () => byStranger(headed({ jwk: strangerJwk })),
    'x5c with a certificate': () => byStranger(headed({ x5c: [stranger.publicKey.export({ format: 'der', type: 'spki' }).toString('base64')] })),
    'unknown crit': () => byOurs(headed({ crit: ['exp'], exp: 1 })),
    'crit of an unencoded payload': () => byOurs(headed({ crit: ['b64'], b64: false })),
    'jku beside our own good signature': () => byOurs(headed({ jku: elsewhere.url })),
    'typ of an admin token': () => byOurs(headed({ typ: 'admin+jwt' })),
    'typ of none': () => byOurs(headed({ typ: undefined })),
    'typ in other letters': () => byOurs(headed({ typ: 'jwt' })),
    'no kid': () => byOurs(headed({ kid: undefined })),
    'kid of a path': () => byStranger(headed({ kid: '../../../../dev/null' })),
    'kid of SQL': () => byStranger(headed({ kid: "x' UNION SELECT 'theirs' -- " })),
    'kid of another kind': () => byOurs(headed({ kid: { $ne: '' } })),
    'kid of the prototype': () => byStranger(headed({ kid: '__proto__' })),
    'unknown kid': () => byOurs(headed({ kid: 'meterline-key-1999-01-01' })),
    'another iss': () => byOurs(claiming({ iss: 'https://elsewhere.example' })),
    'another aud': () => byOurs(claiming({ aud: 'https://elsewhere.example' })),
    'aud of the admin api': () => byOurs(claiming({ aud: `${ISSUER}/admin/v1` })),
    'aud among others': () => byOurs(claiming({ aud: [project.access_host, 'https://elsewhere.example'] })),
    'no aud': () => byOurs(claiming({ aud: undefined })),
    'another sub': () => byOurs(claiming({ sub: 'another' })),
    'no sub': () => byOurs(claiming({ sub: undefined })),
    'another partner': () => byOurs(claiming({ partner: other.partnerId })),
    'no partner': () => byOurs(claiming({ partner: undefined })),
    'an end in the past': () => byOurs(claiming({ iat: now() - 700, nbf: now() - 700, exp: now() - 10 })),
    'no end': () => byOurs(claiming({ exp: undefined })),
    'an end that is a text': () => byOurs(claiming({ exp: '9999999999' })),
    'a beginning in the future': () => byOurs(claiming({ nbf: now() + 30 })),
    'claims that were changed': () => {
      const [header, , signature] = byOurs(good).split('.')
      return [header, Buffer.from(JSON.stringify({ ...good.claims, exp: now() + 9_999 })).toString('base64url'), signature].join('.')
    },
    'claims that are no object': () => craftToken({ header: good.header, claims: [] as unknown as Record<string, unknown> }, rs256(ours)),
    'a cut signature': () => byOurs(good).slice(0, -6),
    'four parts': () => `${byOurs(good)}.x`,
    'no JWT': () => 'a.b.c',
    'one dot': () => '.',
  }

  test.each(Object.keys(ATTACKS))('%s', async (name) => {
    const token = ATTACKS[name]?.() ?? ''
    expectUnauthenticated(await usageBy(token, project.id))
    expect((await tested.client.call('GET', '/admin/v1/partners', { headers: bearer(token) })).status).toBe(401)
    expect(elsewhere.connections()).toBe(0)
  })

  test('a correctly crafted token is accepted, so the attacks above fail for their own reasons', async () => {
    expect((await usageBy(byOurs(good), project.id)).status).toBe(200)
    expect((await usageBy(byOurs(claiming({ nbf: now() + 2, exp: now() - 2 })), project.id)).status).toBe(200)
  })
})

/** The last one: it ends every code there is. */
describe('P5: a rotated key', () => {
  test('a new key is published before it signs; a withdrawn key disappears immediately with its tokens', async () => {
    const { id } = await sync('rotated')
    const code = await codeOf(id)
    const [first] = await jwks()
    const rotated = await tested.client.admin('POST', '/admin/v1/signing-keys')
    expect([rotated.status, rotated.body]).toEqual([201, { kid: expect.stringMatching(KID), signs_from: expect.any(String) }])
    const leadMs = Date.parse(rotated.body.signs_from) - Date.now()
    expect(leadMs).toBeGreaterThan(9 * 60_000)
    expect(leadMs).toBeLessThanOrEqual(10 * 60_000)
    expect((await jwks()).map(({ kid }) => kid)).toEqual([first?.['kid'], rotated.body.kid])
    expect(decodeProtectedHeader(await codeOf(id)).kid).toBe(first?.['kid'])

    const withdrawn = await tested.client.admin('POST', '/admin/v1/signing-keys', { withdraw: true })
    expect([withdrawn.status, withdrawn.body.kid]).toEqual([201, expect.stringMatching(KID)])
    expect(new Set([first?.['kid'], rotated.body.kid, withdrawn.body.kid]).size).toBe(3)
    expectUnauthenticated(await usageBy(code, id))
    expect((await jwks()).map(({ kid }) => kid)).toEqual([withdrawn.body.kid])
    const fresh = await codeOf(id)
    expect(decodeProtectedHeader(fresh).kid).toBe(withdrawn.body.kid)
    expect((await usageBy(fresh, id)).status).toBe(200)
    await jwtVerify(fresh, createRemoteJWKSet(new URL('/.well-known/jwks.json', tested.service.url)), { issuer: ISSUER })

    const { signing_keys } = (await tested.client.admin('GET', '/admin/v1/signing-keys')).body
    expect(signing_keys.map(({ state }: { state: string }) => state)).toEqual(['withdrawn', 'withdrawn', 'signing'])
    expect(Object.keys(signing_keys[0]).sort()).toEqual(['created_at', 'kid', 'signs_from', 'state', 'withdrawn_at'])
    expect((await tested.client.admin('POST', '/admin/v1/signing-keys', { withdrawn: true })).status).toBe(400)
  })
})
