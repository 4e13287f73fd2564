import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ADMIN_TOKEN_SECONDS_MAX } from '../../../contract/admin-tokens.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import type { Registry } from '../../../registry/registry.ts'
import { authenticateAdminToken, createAdminToken } from '../../../registry/tokens/admin-tokens.ts'
import { readRevocations } from '../../../registry/tokens/revoke-admin-token.ts'
import { row } from '../../../sql/tab-separated.ts'
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

describe('revoking one admin token', () => {
  const revoke = (id: string) => tested.client.admin('DELETE', `/admin/v1/tokens/${id}`)
  const listed = async (id: string) =>
    (await tested.client.admin('GET', '/admin/v1/tokens?limit=100')).body.tokens.find((each: { id: string }) => each.id === id)

  test('a revoked token is 401 from the next request on, whatever the role, and no other token is', async () => {
    const kept = await tokenOf('operator')
    for (const role of ['operator', 'finance', 'emitter-manager']) {
      const { token, id, expires_at } = (await make({ role })).body
      expect((await as(token, 'GET', '/admin/v1/silent-projects')).status).toBe(200)
      const revoked = await revoke(id)
      expect([revoked.status, revoked.body]).toEqual([200, { id, expires_at, revoked_at: expect.any(String) }])
      const refused = await as(token, 'GET', '/admin/v1/silent-projects')
      expect([...toldBy(refused), refused.body.message]).toEqual([401, 'UNAUTHENTICATED', 'The credentials are missing or not valid.'])
    }
    expect((await as(kept, 'GET', '/admin/v1/partners')).status).toBe(200)
  })

  test('another process accepts a revoked token for at most one second', async () => {
    const { token, id } = (await make({ role: 'finance' })).body
    expect(await authenticateAdminToken(registry, token)).toEqual({ role: 'finance', id })
    expect((await revoke(id)).status).toBe(200)
    const revokedMs = performance.now()
    for (let askedMs = revokedMs; (await authenticateAdminToken(registry, token)) !== undefined; askedMs = performance.now())
      expect(askedMs - revokedMs).toBeLessThan(1_000)
    expect(await authenticateAdminToken(registry, token)).toBeUndefined()
  })

  test('revoking a token again changes nothing, and the audit log has one entry with its id', async () => {
    const { token, id } = (await make({ role: 'operator' })).body
    const first = await revoke(id)
    expect(await revoke(id)).toMatchObject({ status: 200, body: first.body })
    const log = await tested.client.admin('GET', `/admin/v1/audit-log?action=admin-token.revoke&subject=${id}`)
    expect(log.body.entries).toEqual([expect.objectContaining({ actor: 'admin', subject: id, details: { role: 'operator' } })])
    expect(log.text).not.toContain(token.split('.')[2])
  })

  test('an id that no token has is a 404 that says how to find the ids, each time it is sent, and is not stored', async () => {
    for (const id of ['0e5d3f64-6c3e-4a4f-9a51-2f6d4b7c8e90', 'x', '%00', "' OR 1=1", partner.partnerId]) {
      for (let times = 0; times < 2; times += 1) {
        const { status, body } = await revoke(encodeURIComponent(id))
        expect([id, status, body.code, body.message]).toEqual([id, 404, 'ADMIN_TOKEN_NOT_FOUND', expect.stringContaining('meterline token list')])
      }
      expect((await tested.client.admin('GET', `/admin/v1/audit-log?action=admin-token.revoke&subject=${encodeURIComponent(id)}`)).body.entries).toEqual([])
    }
  })

  test('a token that has expired needs no revocation: it is 200 with revoked_at null, nothing is written, and it is not listed', async () => {
    const past = await openTestRegistry(tested.service.clickhouse, { publicUrl: ISSUER, now: () => Date.now() - 300_000 })
    const { id, expiresMs } = await createAdminToken(past, SERVICE, { role: 'operator', lifetimeSeconds: 60 })
    for (let times = 0; times < 2; times += 1) {
      const { status, body } = await revoke(id)
      expect([status, Date.parse(body.expires_at), body.revoked_at]).toEqual([200, expiresMs, null])
    }
    expect((await tested.client.admin('GET', `/admin/v1/audit-log?action=admin-token.revoke&subject=${id}`)).body.entries).toEqual([])
    expect(await listed(id)).toBeUndefined()
  })

  test('the list has every living token with its id and times, also the longest one there is, and never the token', async () => {
    const { token, id, expires_at } = (await make({ role: 'finance', expires_in: ADMIN_TOKEN_SECONDS_MAX })).body
    const living = { id, role: 'finance', created_at: expect.any(String), expires_at, revoked_at: null }
    expect(await listed(id)).toEqual(living)
    const { revoked_at } = (await revoke(id)).body
    expect(await listed(id)).toEqual({ ...living, revoked_at })
    expect((await tested.client.admin('GET', '/admin/v1/tokens?limit=100')).text).not.toContain(token.split('.')[2])
  })

  test('a revocation is stored until the token has expired, and is dropped a day later', async () => {
    const { token, id } = (await make({ role: 'finance' })).body
    await revoke(id)
    const { clickhouse } = tested.service
    await clickhouse.registry.insert({
      table: 'revoked_admin_tokens_v1',
      columns: ['token_id', 'revoked_at', 'expires_at'],
      text: row(['long-ago', 1, Math.floor(Date.now() / 1000) - 25 * 3_600]),
    })
    await clickhouse.control.command('OPTIMIZE TABLE revoked_admin_tokens_v1 FINAL')
    expect([...(await readRevocations(registry, [id, 'long-ago'])).keys()]).toEqual([id])
    expect((await as(token, 'GET', '/admin/v1/partners')).status).toBe(401)
  })

  test('no admin JWT may revoke a token, not even itself', async () => {
    const { token, id } = (await make({ role: 'operator' })).body
    const refused = await as(token, 'DELETE', `/admin/v1/tokens/${id}`)
    expect([...toldBy(refused), refused.body.message]).toEqual([403, 'ROLE_NOT_ALLOWED', 'Only the admin token itself may do this.'])
    expect((await as(token, 'GET', '/admin/v1/tokens')).status).toBe(403)
    expect((await as(token, 'GET', '/admin/v1/partners')).status).toBe(200)
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
