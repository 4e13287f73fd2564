import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credentials } from '../../support/clients/client.ts'
import { type AnsweredRequest, listenToRequests } from '../../support/query-trace.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

interface ShownSecret {
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
const enters = async (credentials: Credentials, secret = credentials.secret) =>
  (await tested.client.partner({ ...credentials, secret }, 'GET', '/statements')).status
const secretsOf = async ({ partnerId }: Credentials): Promise<ShownSecret[]> => (await admin('GET', `/${partnerId}`)).body.secrets
const secretIdOf = async (credentials: Credentials, secret = credentials.secret) =>
  (await secretsOf(credentials)).find(({ last_four }) => secret.endsWith(last_four))?.id ?? ''
const notedOf = async (subject: string) =>
  (await tested.client.admin('GET', `/admin/v1/audit?subject=${subject}&order=oldest`)).body.entries.map(
    ({ action, actor, details }: { action: string; actor: string; details: object }) => [action, actor, details],
  )

describe('one partner', () => {
  test('is shown with what its secrets can be told by, and never with them or their hashes', async () => {
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
  test('gives a new one that works at once, and ends the old one after the overlap', async () => {
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
    expect([await enters(partner, body.secret), await enters(partner)]).toEqual([200, 200])
    expect((await secretsOf(partner)).find(({ id }) => id === old)?.expires_at).toBe(body.replaced[0].expires_at)
    let lastLetInMs = 0
    await untilSo(async () => {
      const beganMs = Date.now()
      const isLetIn = (await enters(partner)) === 200
      if (isLetIn) lastLetInMs = beganMs
      return !isLetIn
    })
    // To the moment: what is remembered of it does not outlive it.
    expect([lastLetInMs < endsMs, Date.now() >= endsMs]).toEqual([true, true])
    expect(await enters(partner, body.secret)).toBe(200)
    expect(await notedOf(body.id)).toEqual([['partner-secret.create', 'admin', { partner_id: partner.partnerId, overlap_seconds: '2', replaced: [old] }]])
  })

  test('without an overlap ends the old one at once; the overlap is a day if nothing is said', async () => {
    const partner = await tested.client.createPartner('At once')
    expect(await enters(partner)).toBe(200)
    const next = (await rotate(partner, { overlap_seconds: 0 })).body
    expect([await enters(partner), await enters(partner, next.secret)]).toEqual([401, 200])
    const before = Date.now()
    const [replaced] = (await admin('POST', `/${partner.partnerId}/secrets`)).body.replaced
    const overlapMs = Date.parse(replaced.expires_at) - before
    expect([replaced.id, overlapMs >= 86_400_000 && overlapMs < 86_460_000]).toEqual([next.id, true])
  })

  test('refuses a third living secret, says which there are, and changes nothing', async () => {
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

  test('of ten at once is one', async () => {
    const partner = await tested.client.createPartner('Raced')
    const answers = await Promise.all(Array.from({ length: 10 }, () => rotate(partner)))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 9 }, () => 409)])
    expect(await secretsOf(partner)).toHaveLength(2)
  })

  test('refuses what it does not know, by name', async () => {
    const partner = await tested.client.createPartner('Refused')
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
  test('works no more from the next request on, also the last one; again it is the same answer', async () => {
    const partner = await tested.client.createPartner('Revoked')
    expect(await enters(partner)).toBe(200)
    const id = await secretIdOf(partner)
    const revoked = await admin('DELETE', `/${partner.partnerId}/secrets/${id}`)
    expect(await enters(partner)).toBe(401)
    expect([revoked.status, revoked.body]).toEqual([200, { id, revoked_at: expect.any(String) }])
    expect((await admin('DELETE', `/${partner.partnerId}/secrets/${id}`)).body).toEqual(revoked.body)
    expect(await notedOf(id)).toEqual([['partner-secret.revoke', 'admin', { partner_id: partner.partnerId }]])
    // It is not the end: there can be another.
    expect(await enters(partner, (await rotate(partner)).body.secret)).toBe(200)
  })

  test('is found among its own partner’s alone', async () => {
    const [partner, other] = [await tested.client.createPartner('Own'), await tested.client.createPartner('Other')]
    for (const id of [await secretIdOf(other), 'x', '%20']) {
      const answer = await admin('DELETE', `/${partner.partnerId}/secrets/${id}`)
      expect([answer.status, answer.body.code]).toEqual([404, 'PARTNER_SECRET_NOT_FOUND'])
    }
    expect(await enters(other)).toBe(200)
  })
})

describe('a disabled partner', () => {
  test('is let in no more, its usage counts and its months close; enabled it is let in again', async () => {
    const { client } = tested
    const partner = await client.createPartner('Disabled')
    await client.createIngestKey()
    await client.billFrom(partner.partnerId, '2026-03')
    await client.registerProject('disabled-p', partner.partnerId)
    expect(await enters(partner)).toBe(200)
    const disabled = await admin('PATCH', `/${partner.partnerId}`, { disabled: true })
    expect([disabled.status, disabled.body.partner.disabled_at, disabled.body.partner.billing_from]).toEqual([200, expect.any(String), '2026-03'])
    expect(await enters(partner)).toBe(401)
    expect((await admin('PATCH', `/${partner.partnerId}`, { disabled: true })).body).toEqual(disabled.body)
    await client.send({ event_id: '1', project_id: 'disabled-p', metric: 'ai_tokens', value: 7, timestamp: '2026-03-05T00:00:00Z' })
    await untilSo(async () => (await client.closeMonth(partner.partnerId, '2026-03')).status === 200)
    expect((await admin('PATCH', `/${partner.partnerId}`, { disabled: false })).body.partner).toMatchObject({ disabled_at: null, closed_through: '2026-03' })
    expect((await client.statement(partner, '2026-03')).body.totals.find(({ metric }: { metric: string }) => metric === 'ai_tokens').value).toBe('7')
    const actions = (await notedOf(partner.partnerId)).map(([action]: [string]) => action)
    expect(actions).toEqual(['partner.create', 'partner.billing-from', 'partner.disable', 'statement.close', 'partner.enable'])
  })

  test('what of a change is refused keeps the rest from being done', async () => {
    const { client } = tested
    const partner = await client.createPartner('Both')
    await client.billFrom(partner.partnerId, '2026-03')
    await untilSo(async () => (await client.closeMonth(partner.partnerId, '2026-03')).status === 200)
    const refused = await admin('PATCH', `/${partner.partnerId}`, { billing_from: '2026-02', disabled: true })
    expect([refused.status, refused.body.code]).toEqual([409, 'ALREADY_BILLED'])
    expect(await enters(partner)).toBe(200)
    for (const body of [{}, { confirm: true }, { disabled: 'yes' }, { name: 'x' }])
      expect((await admin('PATCH', `/${partner.partnerId}`, body)).status).toBe(400)
  })
})

describe('P5: who guesses learns nothing', () => {
  test('an unknown partner, a wrong secret, a revoked one and a disabled partner: one answer, and the same queries', async () => {
    const [partner, disabled] = [await tested.client.createPartner('Guessed'), await tested.client.createPartner('Let out')]
    const revoked = (await rotate(partner)).body
    await admin('DELETE', `/${partner.partnerId}/secrets/${revoked.id}`)
    await admin('PATCH', `/${disabled.partnerId}`, { disabled: true })
    const guesses = [
      { partnerId: 'ps_AAAAAAAAAAAA', secret: disabled.secret },
      { partnerId: partner.partnerId, secret: disabled.secret },
      { partnerId: partner.partnerId, secret: revoked.secret },
      disabled,
    ]
    for (const guess of guesses) expect(await told(guess)).toEqual({ ...UNAUTHENTICATED, questions: ['living_partner_secrets'] })
  })

  test('what cannot be a secret is refused without a look, of every partner', async () => {
    const partner = await tested.client.createPartner('Mistyped')
    const { secret } = partner
    const other = secret[10] === 'x' ? 'y' : 'x'
    const mistyped = [secret.slice(0, -1), `${secret}0`, secret.replace('mls_', 'mli_'), secret.slice(0, 10) + other + secret.slice(11), 'wrong']
    for (const guess of mistyped)
      for (const partnerId of [partner.partnerId, 'ps_AAAAAAAAAAAA'])
        expect(await told({ partnerId, secret: guess })).toEqual({ ...UNAUTHENTICATED, questions: [] })
    expect(await enters(partner)).toBe(200)
  })
})

/** The last one: it starts the service anew. */
test('when a secret was used last is shown, and kept across a restart', async () => {
  const partner = await tested.client.createPartner('Used')
  const before = Date.now()
  expect(await enters(partner)).toBe(200)
  const [shown] = await secretsOf(partner)
  expect(Date.parse(shown?.last_used_at ?? '')).toBeGreaterThanOrEqual(before)
  await tested.stop()
  tested = await startTestService({ DATA_DIR: directory.path })
  expect(await secretsOf(partner)).toEqual([shown])
})

const UNAUTHENTICATED = { status: 401, body: { success: false, code: 'UNAUTHENTICATED', message: 'The credentials are missing or not valid.' } }

/** What an answer says, and what was asked of the store for it. */
async function told(credentials: Credentials) {
  const { status, body, headers } = await tested.client.partner(credentials, 'GET', '/statements')
  const { request_id, ...rest } = body
  const id = headers.get('x-request-id')
  await untilSo(async () => answered.some(({ requestId }) => requestId === id))
  return { status, body: rest, questions: answered.find(({ requestId }) => requestId === id)?.queries }
}
