import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SERVICE } from '../../../registry/audit-log.ts'
import type { Registry } from '../../../registry/registry.ts'
import { createAdminToken } from '../../../registry/tokens/admin-tokens.ts'
import type { Answer, Credentials } from '../../support/clients/client.ts'
import { craftToken, hs256, partsOf, rs256, type TokenParts, unsigned } from '../../support/clients/crafted-token.ts'
import { openTestRegistry, TEST_MASTER_KEY } from '../../support/worlds/test-registry.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const ISSUER = 'https://usage.example'

let tested: TestService
let registry: Registry
let partner: Credentials
let projectId: string
beforeAll(async () => {
  tested = await startTestService({ MASTER_KEY: TEST_MASTER_KEY, PUBLIC_URL: ISSUER })
  registry = await openTestRegistry(tested.service.clickhouse, { publicUrl: ISSUER })
  partner = await tested.client.createPartner('White')
  await tested.client.createIngestKey()
  projectId = (await tested.client.partner(partner, 'POST', '/sync-embedded-project', '{"project_name":"p"}')).body.project.id
})
afterAll(() => tested.stop())

const make = (body: object) => tested.client.admin('POST', '/admin/v1/tokens', body)
const tokenOf = async (role: string): Promise<string> => (await make({ role })).body.token
const as = (token: string, method: string, path: string, body?: object) =>
  tested.client.call(method, path, {
    headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
const toldBy = ({ status, body }: Answer) => [status, body.code]

describe('an admin token', () => {
  test('an admin token is created with 201 and has the documented claims, field by field', async () => {
    const before = Math.floor(Date.now() / 1000)
    const { status, body } = await make({ role: 'finance', expires_in: 120 })
    expect([status, body]).toEqual([
      201,
      { token: expect.any(String), role: 'finance', expires_at: expect.any(String), id: expect.stringMatching(/^[0-9a-f-]{36}$/) },
    ])
    const { header, claims } = partsOf(body.token)
    expect(header).toEqual({ alg: 'RS256', typ: 'admin+jwt', kid: expect.stringMatching(/^meterline-key-/) })
    const iat = claims['iat'] as number
    expect(claims).toEqual({ iss: ISSUER, aud: `${ISSUER}/admin/v1`, sub: 'finance', iat, nbf: iat, exp: iat + 120, jti: body.id })
    expect(iat - before).toBeLessThan(60)
    expect(Date.parse(body.expires_at)).toBe((iat + 120) * 1000)
    const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', tested.service.url))
    expect((await jwtVerify(body.token, keys, { issuer: ISSUER })).payload.jti).toBe(body.id)
  })

  test('an admin token lives an hour by default, a minute at least and twelve hours at most', async () => {
    const lifetime = async (body: object) => {
      const { claims } = partsOf((await make(body)).body.token)
      return (claims['exp'] as number) - (claims['iat'] as number)
    }
    expect([await lifetime({ role: 'operator' }), await lifetime({ role: 'operator', expires_in: 60 })]).toEqual([3_600, 60])
    expect(await lifetime({ role: 'operator', expires_in: 43_200 })).toBe(43_200)
    for (const [body, named] of [
      [{ role: 'operator', expires_in: 59 }, 'expires_in'],
      [{ role: 'operator', expires_in: 43_201 }, 'expires_in'],
      [{ role: 'operator', expires_in: 90.5 }, 'expires_in'],
      [{ role: 'operator', expires_in: '120' }, 'expires_in'],
      [{ role: 'admin' }, 'role'],
      [{ role: ['operator'] }, 'role'],
      [{}, 'role'],
      [{ role: 'operator', roles: ['finance'] }, 'roles'],
    ] as const)
      expect([(await make(body)).status, (await make(body)).body]).toEqual([400, expect.objectContaining({ message: expect.stringContaining(named) })])
  })

  test('an admin token may make the calls of its role; other calls are a 403 that names the roles', async () => {
    const [operator, finance, emitters] = [await tokenOf('operator'), await tokenOf('finance'), await tokenOf('emitter-manager')]
    expect((await as(operator, 'POST', '/admin/v1/partners', { name: 'by operator' })).status).toBe(201)
    expect((await as(finance, 'GET', '/admin/v1/partners')).status).toBe(200)
    expect((await as(emitters, 'POST', '/admin/v1/ingest-keys', { name: 'by emitter manager' })).status).toBe(201)
    const refused = await as(finance, 'POST', '/admin/v1/ingest-keys', { name: 'x' })
    expect([...toldBy(refused), refused.body.message]).toEqual([
      403,
      'ROLE_NOT_ALLOWED',
      'This needs the admin token or the role operator or emitter-manager; yours is finance.',
    ])
    expect(toldBy(await as(emitters, 'GET', '/admin/v1/partners'))).toEqual([403, 'ROLE_NOT_ALLOWED'])
    expect(toldBy(await as(finance, 'POST', '/admin/v1/signing-keys', { withdraw: true }))).toEqual([403, 'ROLE_NOT_ALLOWED'])
  })

  test('an admin JWT cannot create another token', async () => {
    for (const role of ['operator', 'finance', 'emitter-manager']) {
      const refused = await as(await tokenOf(role), 'POST', '/admin/v1/tokens', { role })
      expect([...toldBy(refused), refused.body.message]).toEqual([403, 'ROLE_NOT_ALLOWED', 'Only the admin token itself may do this.'])
    }
  })

  test('the audit log records the creation and the use of an admin token, never the token itself', async () => {
    const { token, id, expires_at } = (await make({ role: 'operator' })).body
    const made = (await as(token, 'POST', '/admin/v1/partners', { name: 'noted' })).body.partner.id
    const log = await tested.client.admin('GET', '/admin/v1/audit-log?limit=100')
    const entry = (subject: string) => log.body.entries.find((each: { subject: string }) => each.subject === subject)
    expect(entry(id)).toMatchObject({ actor: 'admin', action: 'admin-token.create', details: { role: 'operator', expires_at } })
    expect(entry(made)).toMatchObject({ actor: `admin:operator:${id}`, action: 'partner.create' })
    expect(log.text).not.toContain(token.split('.')[2])
  })
})

describe('an invalid admin token is 401:', () => {
  let good: TokenParts
  let ours: KeyObject
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 })
  beforeAll(async () => {
    good = partsOf(await tokenOf('operator'))
    ours = (await registry.signingKeys.currentKey()).privateKey
  })

  const now = () => Math.floor(Date.now() / 1000)
  const byOurs = ({ header = {}, claims = {} }: { header?: object; claims?: object }) =>
    craftToken({ header: { ...good.header, ...header }, claims: { ...good.claims, ...claims } }, rs256(ours))

  const ATTACKS: Record<string, () => string | Promise<string>> = {
    'alg none': () => craftToken({ ...good, header: { ...good.header, alg: 'none' } }, unsigned),
    'HS256 with the admin token as its secret': () => craftToken({ ...good, header: { ...good.header, alg: 'HS256' } }, hs256(tested.service.adminToken)),
    'another key under our kid': () => craftToken(good, rs256(stranger.privateKey)),
    'jwk in its header': () =>
      craftToken({ ...good, header: { ...good.header, jwk: stranger.publicKey.export({ format: 'jwk' }) } }, rs256(stranger.privateKey)),
    'typ JWT': () => byOurs({ header: { typ: 'JWT' } }),
    'typ application/admin+jwt': () => byOurs({ header: { typ: 'application/admin+jwt' } }),
    'a role that there is not': () => byOurs({ claims: { sub: 'root' } }),
    'a list of roles': () => byOurs({ claims: { sub: ['operator'] } }),
    'no role': () => byOurs({ claims: { sub: undefined } }),
    'no id': () => byOurs({ claims: { jti: undefined } }),
    'an id that is no text': () => byOurs({ claims: { jti: 7 } }),
    'another issuer': () => byOurs({ claims: { iss: 'https://elsewhere' } }),
    'another audience': () => byOurs({ claims: { aud: ISSUER } }),
    'an end in the past': () => byOurs({ claims: { exp: now() - 10 } }),
    'a beginning in the future': () => byOurs({ claims: { nbf: now() + 30 } }),
    'a project code': async () => (await tested.client.partner(partner, 'POST', `/${projectId}/authorization`)).body.code,
    'one that ended, made by the service itself': async () => {
      const past = await openTestRegistry(tested.service.clickhouse, { publicUrl: ISSUER, now: () => Date.now() - 120_000 })
      return (await createAdminToken(past, SERVICE, { role: 'operator', lifetimeSeconds: 60 })).token
    },
    'one of another instance with the same keys': async () => {
      const foreign = await openTestRegistry(tested.service.clickhouse, { publicUrl: 'https://other.example' })
      return (await createAdminToken(foreign, SERVICE, { role: 'operator', lifetimeSeconds: 60 })).token
    },
  }

  test.each(Object.keys(ATTACKS))('%s', async (name) => {
    const token = (await ATTACKS[name]?.()) ?? ''
    const answer = await as(token, 'GET', '/admin/v1/partners')
    expect([...toldBy(answer), answer.body.message]).toEqual([401, 'UNAUTHENTICATED', 'The credentials are missing or not valid.'])
  })

  test('a correctly crafted admin token is accepted, so the attacks above fail for their own reasons', async () => {
    expect((await as(byOurs({}), 'GET', '/admin/v1/partners')).status).toBe(200)
  })

  test('an admin token is not accepted as a partner secret, an ingest key or a project token', async () => {
    const token = await tokenOf('operator')
    const usage = `/partnership/v1/${partner.partnerId}/${projectId}/usage`
    expect((await as(token, 'GET', usage)).status).toBe(401)
    expect((await tested.client.call('GET', usage, { headers: { 'x-partnership-secret': token } })).status).toBe(401)
    expect((await as(token, 'GET', '/v1/rejected-events')).status).toBe(401)
  })
})

/** The last one: it ends every token there is. */
test("withdrawing the signing keys ends every admin token, the caller's too; rotating them ends none", async () => {
  const [operator, finance] = [await tokenOf('operator'), await tokenOf('finance')]
  expect((await as(operator, 'POST', '/admin/v1/signing-keys', {})).status).toBe(201)
  expect((await as(finance, 'GET', '/admin/v1/partners')).status).toBe(200)
  expect((await as(operator, 'POST', '/admin/v1/signing-keys', { withdraw: true })).status).toBe(201)
  for (const token of [operator, finance]) expect((await as(token, 'GET', '/admin/v1/partners')).status).toBe(401)
  expect((await as(await tokenOf('finance'), 'GET', '/admin/v1/partners')).status).toBe(200)
})
