import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credentials } from '../../support/clients/client.ts'
import { type AnsweredRequest, listenToRequests } from '../../support/query-trace.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

interface ListedSecret {
  readonly id: string
  readonly last_four: string
  readonly expires_at: string | null
  readonly last_used_at: string | null
}

const directory = makeTemporaryDirectory()
let tested: TestService
const answered: AnsweredRequest[] = []
let stopListening: () => void
beforeAll(async () => {
  stopListening = listenToRequests((request) => answered.push(request))
  tested = await startTestService({ DATA_DIR: directory.path })
})
afterAll(async () => {
  stopListening()
  await tested.stop()
  directory.remove()
})

const admin = (method: string, path: string, body?: unknown) => tested.client.admin(method, `/admin/v1/partners${path}`, body)
const rotate = ({ partnerId }: Credentials, body: object = {}) => admin('POST', `/${partnerId}/secrets`, body)
const statusWith = async (credentials: Credentials, secret = credentials.secret) =>
  (await tested.client.partner({ ...credentials, secret }, 'GET', '/statements')).status
const secretsOf = async ({ partnerId }: Credentials): Promise<ListedSecret[]> => (await admin('GET', `/${partnerId}`)).body.secrets
const secretIdOf = async (credentials: Credentials, secret = credentials.secret) =>
  (await secretsOf(credentials)).find(({ last_four }) => secret.endsWith(last_four))?.id ?? ''
const auditedOf = async (subject: string) =>
  (await tested.client.admin('GET', `/admin/v1/audit?subject=${subject}&order=oldest`)).body.entries.map(
    ({ action, actor, details }: { action: string; actor: string; details: object }) => [action, actor, details],
  )

describe('one partner', () => {
  test('a partner is returned with the metadata of its secrets, never with the secrets or their hashes', async () => {
    const partner = await tested.client.createPartner('Shown', 'co-branded')
    const { status, body, text } = await admin('GET', `/${partner.partnerId}`)
    const instant = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/)
    const month = new Date().toISOString().slice(0, 7)
    const { partnerId: id, secret } = partner
    expect([status, body]).toEqual([
      200,
      {
        partner: { id, name: 'Shown', mode: 'co-branded', disabled_at: null, billing_from: month, closed_through: null, created_at: instant },
        secrets: [
          {
            id: expect.any(String),
            prefix: secret.slice(0, 8),
            last_four: secret.slice(-4),
            created_at: instant,
            expires_at: null,
            revoked_at: null,
            last_used_at: null,
          },
        ],
      },
    ])
    expect(text).not.toContain(secret)
    expect(text).not.toMatch(/hash|[0-9a-f]{64}/)
    for (const answer of [
      await admin('GET', '/ps_nobody'),
      await rotate({ partnerId: 'ps_nobody', secret: '' }),
      await admin('DELETE', '/ps_nobody/secrets/x'),
    ])
      expect([answer.status, answer.body.code]).toEqual([404, 'PARTNER_NOT_FOUND'])
  })
})

describe('the rotation of a secret', () => {
  test('an added secret works immediately, and the old one expires exactly after the overlap', async () => {
    const partner = await tested.client.createPartner('Rotated')
    const old = await secretIdOf(partner)
    const before = Date.now()
    const { status, body } = await rotate(partner, { overlap_seconds: 2 })
    expect([status, body]).toEqual([
      201,
      { id: expect.any(String), secret: expect.stringMatching(/^mls_/), replaced: [{ id: old, expires_at: expect.any(String) }] },
    ])
    const endsMs = Date.parse(body.replaced[0].expires_at)
    expect(endsMs - before).toBeGreaterThanOrEqual(2_000)
    expect([await statusWith(partner, body.secret), await statusWith(partner)]).toEqual([200, 200])
    expect((await secretsOf(partner)).find(({ id }) => id === old)?.expires_at).toBe(body.replaced[0].expires_at)
    let lastAcceptedMs = 0
    await untilSo(async () => {
      const beganMs = Date.now()
      const isAccepted = (await statusWith(partner)) === 200
      if (isAccepted) lastAcceptedMs = beganMs
      return !isAccepted
    })
    // The cache does not outlive the expiry of the secret.
    expect([lastAcceptedMs < endsMs, Date.now() >= endsMs]).toEqual([true, true])
    expect(await statusWith(partner, body.secret)).toBe(200)
    expect(await auditedOf(body.id)).toEqual([['partner-secret.create', 'admin', { partner_id: partner.partnerId, overlap_seconds: '2', replaced: [old] }]])
  })

  test('without an overlap the old secret expires immediately; the default overlap is one day', async () => {
    const partner = await tested.client.createPartner('Without overlap')
    expect(await statusWith(partner)).toBe(200)
    const next = (await rotate(partner, { overlap_seconds: 0 })).body
    expect([await statusWith(partner), await statusWith(partner, next.secret)]).toEqual([401, 200])
    const before = Date.now()
    const [replaced] = (await admin('POST', `/${partner.partnerId}/secrets`)).body.replaced
    const overlapMs = Date.parse(replaced.expires_at) - before
    expect([replaced.id, overlapMs >= 86_400_000 && overlapMs < 86_460_000]).toEqual([next.id, true])
  })

  test('a third valid secret is rejected with the ids of the existing ones, and nothing changes', async () => {
    const partner = await tested.client.createPartner('Third')
    const second = (await rotate(partner)).body
    const before = await secretsOf(partner)
    const { status, body } = await rotate(partner, { overlap_seconds: 0 })
    expect([status, body.code]).toEqual([409, 'TOO_MANY_SECRETS'])
    for (const { id } of before) expect(body.message).toContain(id)
    expect(body.message).toMatch(/Revoke one .* or wait/)
    expect(await secretsOf(partner)).toEqual(before)
    await admin('DELETE', `/${partner.partnerId}/secrets/${second.id}`)
    expect((await rotate(partner)).status).toBe(201)
  })

  test('of ten concurrent rotations one succeeds', async () => {
    const partner = await tested.client.createPartner('Raced')
    const answers = await Promise.all(Array.from({ length: 10 }, () => rotate(partner)))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 9 }, () => 409)])
    expect(await secretsOf(partner)).toHaveLength(2)
  })

  test('adding a secret rejects an invalid body with the name of the field', async () => {
    const partner = await tested.client.createPartner('Rejected')
    for (const [body, named] of [
      [{ overlap_seconds: -1 }, 'overlap_seconds'],
      [{ overlap_seconds: 2_592_001 }, 'overlap_seconds'],
      [{ overlap_seconds: 1.5 }, 'overlap_seconds'],
      [{ overlap_seconds: '60' }, 'overlap_seconds'],
      [{ overlap: 60 }, 'overlap'],
    ] as const) {
      const answer = await rotate(partner, body)
      expect([answer.status, answer.body.code, answer.body.message]).toEqual([400, 'INVALID_REQUEST', expect.stringContaining(named)])
    }
    expect(await secretsOf(partner)).toHaveLength(1)
  })
})

describe('a revoked secret', () => {
  test('a revoked secret is rejected from the next request on, and revoking it again returns the same answer', async () => {
    const partner = await tested.client.createPartner('Revoked')
    expect(await statusWith(partner)).toBe(200)
    const id = await secretIdOf(partner)
    const revoked = await admin('DELETE', `/${partner.partnerId}/secrets/${id}`)
    expect(await statusWith(partner)).toBe(401)
    expect([revoked.status, revoked.body]).toEqual([200, { id, revoked_at: expect.any(String) }])
    expect((await admin('DELETE', `/${partner.partnerId}/secrets/${id}`)).body).toEqual(revoked.body)
    expect(await auditedOf(id)).toEqual([['partner-secret.revoke', 'admin', { partner_id: partner.partnerId }]])
    // A partner without a valid secret can get a new one.
    expect(await statusWith(partner, (await rotate(partner)).body.secret)).toBe(200)
  })

  test('a secret of another partner cannot be revoked through this partner', async () => {
    const [partner, other] = [await tested.client.createPartner('Own'), await tested.client.createPartner('Other')]
    for (const id of [await secretIdOf(other), 'x', '%20']) {
      const answer = await admin('DELETE', `/${partner.partnerId}/secrets/${id}`)
      expect([answer.status, answer.body.code]).toEqual([404, 'PARTNER_SECRET_NOT_FOUND'])
    }
    expect(await statusWith(other)).toBe(200)
  })
})

describe('a disabled partner', () => {
  test('a disabled partner cannot call the API, while its usage counts and its months close, until it is enabled again', async () => {
    const { client } = tested
    const partner = await client.createPartner('Disabled')
    await client.createIngestKey()
    await client.billFrom(partner.partnerId, '2026-03')
    await client.registerProject('disabled-p', partner.partnerId)
    expect(await statusWith(partner)).toBe(200)
    const disabled = await admin('PATCH', `/${partner.partnerId}`, { disabled: true })
    expect([disabled.status, disabled.body.partner.disabled_at, disabled.body.partner.billing_from]).toEqual([200, expect.any(String), '2026-03'])
    expect(await statusWith(partner)).toBe(401)
    expect((await admin('PATCH', `/${partner.partnerId}`, { disabled: true })).body).toEqual(disabled.body)
    await client.send({ event_id: '1', project_id: 'disabled-p', metric: 'ai_tokens', value: 7, timestamp: '2026-03-05T00:00:00Z' })
    await untilSo(async () => (await client.closeMonth(partner.partnerId, '2026-03')).status === 200)
    expect((await admin('PATCH', `/${partner.partnerId}`, { disabled: false })).body.partner).toMatchObject({ disabled_at: null, closed_through: '2026-03' })
    expect((await client.statement(partner, '2026-03')).body.totals.find(({ metric }: { metric: string }) => metric === 'ai_tokens').value).toBe('7')
    const actions = (await auditedOf(partner.partnerId)).map(([action]: [string]) => action)
    expect(actions).toEqual(['partner.create', 'partner.billing-from', 'partner.disable', 'statement.close', 'partner.enable'])
  })

  test('a change of a partner that is rejected in part is not applied at all', async () => {
    const { client } = tested
    const partner = await client.createPartner('Both')
    await client.billFrom(partner.partnerId, '2026-03')
    await untilSo(async () => (await client.closeMonth(partner.partnerId, '2026-03')).status === 200)
    const rejected = await admin('PATCH', `/${partner.partnerId}`, { billing_from: '2026-02', disabled: true })
    expect([rejected.status, rejected.body.code]).toEqual([409, 'ALREADY_BILLED'])
    expect(await statusWith(partner)).toBe(200)
    for (const body of [{}, { confirm: true }, { disabled: 'yes' }, { name: 'x' }])
      expect((await admin('PATCH', `/${partner.partnerId}`, body)).status).toBe(400)
  })
})

describe('P5: rejected credentials', () => {
  test('P5: an unknown partner, a wrong secret, a revoked secret and a disabled partner get the same answer from the same queries', async () => {
    const [partner, disabled] = [await tested.client.createPartner('Guessed'), await tested.client.createPartner('Guessed and disabled')]
    const revoked = (await rotate(partner)).body
    await admin('DELETE', `/${partner.partnerId}/secrets/${revoked.id}`)
    await admin('PATCH', `/${disabled.partnerId}`, { disabled: true })
    const guesses = [
      { partnerId: 'ps_AAAAAAAAAAAA', secret: disabled.secret },
      { partnerId: partner.partnerId, secret: disabled.secret },
      { partnerId: partner.partnerId, secret: revoked.secret },
      disabled,
    ]
    for (const guess of guesses) expect(await answerTo(guess)).toEqual({ ...UNAUTHENTICATED, questions: ['living_partner_secrets'] })
  })

  test('P5: a malformed secret is rejected without a query, for existing and unknown partners', async () => {
    const partner = await tested.client.createPartner('Mistyped')
    const { secret } = partner
    const other = secret[10] === 'x' ? 'y' : 'x'
    const mistyped = [secret.slice(0, -1), `${secret}0`, secret.replace('mls_', 'mli_'), secret.slice(0, 10) + other + secret.slice(11), 'wrong']
    for (const guess of mistyped)
      for (const partnerId of [partner.partnerId, 'ps_AAAAAAAAAAAA'])
        expect(await answerTo({ partnerId, secret: guess })).toEqual({ ...UNAUTHENTICATED, questions: [] })
    expect(await statusWith(partner)).toBe(200)
  })
})

/** This test comes last, because it restarts the service. */
test('the time of the last use of a secret is returned and survives a restart', async () => {
  const partner = await tested.client.createPartner('Used')
  const before = Date.now()
  expect(await statusWith(partner)).toBe(200)
  const [secret] = await secretsOf(partner)
  expect(Date.parse(secret?.last_used_at ?? '')).toBeGreaterThanOrEqual(before)
  await tested.stop()
  tested = await startTestService({ DATA_DIR: directory.path })
  expect(await secretsOf(partner)).toEqual([secret])
})

const UNAUTHENTICATED = { status: 401, body: { success: false, code: 'UNAUTHENTICATED', message: 'The credentials are missing or not valid.' } }

/** The answer to a request with these credentials, and the queries that it took. */
async function answerTo(credentials: Credentials) {
  const { status, body, headers } = await tested.client.partner(credentials, 'GET', '/statements')
  const { request_id, ...rest } = body
  const id = headers.get('x-request-id')
  await untilSo(async () => answered.some(({ requestId }) => requestId === id))
  return { status, body: rest, questions: answered.find(({ requestId }) => requestId === id)?.queries }
}
