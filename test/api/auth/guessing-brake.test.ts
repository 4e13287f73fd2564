import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Braked, GuessingBrake } from '../../../api/auth/guessing-brake.ts'
import { newCredential } from '../../../registry/credentials/credentials.ts'
import type { Answer, Credentials } from '../../support/clients/client.ts'
import { type AnsweredRequest, listenToRequests } from '../../support/query-trace.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const FAILURES = 5

describe('the brake on guessing', () => {
  const HOUR_MS = 3_600_000
  const silent = { info: () => {}, warn: () => {}, error: () => {} }
  const wrong = async () => undefined
  const right = async () => 'proven'

  function makeBrake() {
    const clock = { nowMs: Date.UTC(2026, 0, 1) }
    const brake = new GuessingBrake({ failuresPerMinute: FAILURES, now: () => clock.nowMs, logger: silent })
    let guesses = 0
    /** How many of so many guesses were looked up. */
    const guess = async (address: string, count: number) => {
      const outcomes = await Promise.allSettled(
        Array.from({ length: count }, () => {
          guesses += 1
          return brake.guard(address, [`guess ${guesses}`], wrong)
        }),
      )
      for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(Braked)
      return outcomes.filter(({ status }) => status === 'fulfilled').length
    }
    return { clock, brake, guess }
  }

  test('exactly the allowed number of guesses per address and minute is looked up, also when they arrive at the same time', async () => {
    const { clock, guess } = makeBrake()
    expect(await guess('192.0.2.1', 100)).toBe(FAILURES)
    clock.nowMs += 59_999
    expect(await guess('192.0.2.1', 10)).toBe(0)
    clock.nowMs += 1
    expect(await guess('192.0.2.1', 10)).toBe(FAILURES)
  })

  test('a braked caller gets the time to wait, to the second', async () => {
    const { clock, brake, guess } = makeBrake()
    await guess('192.0.2.1', FAILURES)
    for (const [laterMs, seconds] of [
      [0, 60],
      [500, 60],
      [30_000, 30],
      [29_400, 1],
    ] as const) {
      clock.nowMs += laterMs
      await expect(brake.guard('192.0.2.1', ['x'], right)).rejects.toMatchObject({ code: 'GUESSING_BRAKE', retryAfterSeconds: seconds })
    }
  })

  test('credentials verified within the last hour bypass the brake; older or revoked ones do not', async () => {
    const { clock, brake, guess } = makeBrake()
    const [kept, revoked] = [
      ['partner', 'kept'],
      ['partner', 'revoked'],
    ]
    for (const credential of [kept, revoked]) expect(await brake.guard('192.0.2.1', credential, right)).toBe('proven')
    await guess('192.0.2.1', FAILURES)
    expect(await brake.guard('192.0.2.1', kept, right)).toBe('proven')
    expect(await brake.guard('192.0.2.1', revoked, wrong)).toBeUndefined()
    await expect(brake.guard('192.0.2.1', revoked, wrong)).rejects.toThrow(Braked)
    // The same secret for another partner is another credential.
    await expect(brake.guard('192.0.2.1', ['other', 'kept'], right)).rejects.toThrow(Braked)
    clock.nowMs += HOUR_MS
    await guess('192.0.2.1', FAILURES)
    await expect(brake.guard('192.0.2.1', kept, right)).rejects.toThrow(Braked)
  })

  test('other addresses are not affected; an IPv6 /64 counts as one address', async () => {
    const { guess } = makeBrake()
    expect(await guess('192.0.2.1', 10)).toBe(FAILURES)
    expect(await guess('192.0.2.2', 10)).toBe(FAILURES)
    expect(await guess('::ffff:192.0.2.2', 1)).toBe(0)
    expect(await guess('2001:db8:0:1::1', 10)).toBe(FAILURES)
    for (const same of ['2001:db8::1:0:0:0:1', '2001:0DB8:0000:0001:ffff::', '2001:db8:0:1:2:3:4:5']) expect(await guess(same, 1)).toBe(0)
    for (const different of ['2001:db8:0:2::1', '2001:db8::1', '::1']) expect(await guess(different, 1)).toBe(1)
  })

  test('a wrong credential counts once per minute, however often it is sent', async () => {
    const { clock, brake, guess } = makeBrake()
    for (let times = 0; times < 4 * FAILURES; times += 1) expect(await brake.guard('192.0.2.1', ['emitter', 'revoked'], wrong)).toBeUndefined()
    await Promise.all(Array.from({ length: 100 }, () => brake.guard('192.0.2.1', ['emitter', 'revoked too'], wrong)))
    // Valid, and not yet seen: no other caller's retries delay it.
    expect(await brake.guard('192.0.2.1', ['partner', 'new'], right)).toBe('proven')
    // It is looked up again, so one that was made since is good at once.
    expect(await brake.guard('192.0.2.1', ['emitter', 'revoked'], right)).toBe('proven')
    expect(await guess('192.0.2.1', 10)).toBe(FAILURES - 2)
    await expect(brake.guard('192.0.2.1', ['emitter', 'revoked too'], wrong)).rejects.toThrow(Braked)
    clock.nowMs += 60_000
    expect(await guess('192.0.2.1', 10)).toBe(FAILURES)
  })

  test('failures of the store are not counted, and many valid callers at the same time are not blocked', async () => {
    const { brake, guess } = makeBrake()
    for (let times = 0; times < 2 * FAILURES; times += 1)
      await expect(brake.guard('192.0.2.1', [`${times}`], () => Promise.reject(new Error('no store')))).rejects.toThrow('no store')
    const many = await Promise.all(Array.from({ length: 100 }, (_, index) => brake.guard('192.0.2.1', ['partner', `${index}`], right)))
    expect(new Set(many)).toEqual(new Set(['proven']))
    expect(await guess('192.0.2.1', 10)).toBe(FAILURES)
  })

  test('memory is limited for any number of addresses and credentials', async () => {
    const { brake } = makeBrake()
    for (let index = 0; index < 12_000; index += 1) {
      await brake.guard(`10.0.${index >> 8}.${index & 255}`, [`wrong ${index}`], wrong)
      await brake.guard(`10.0.${index >> 8}.${index & 255}`, [`right ${index}`], right)
    }
    expect(brake.size()).toEqual({ addresses: 10_000, credentials: 10_000 })
  })
})

describe('the brake over HTTP', () => {
  let tested: TestService
  let partner: Credentials
  const answered: AnsweredRequest[] = []
  let stopListening: () => void
  beforeAll(async () => {
    stopListening = listenToRequests((request) => answered.push(request))
    tested = await startTestService({ AUTH_FAILURES_PER_MINUTE: String(FAILURES) })
    partner = await tested.client.createPartner('Braked')
    await tested.client.createIngestKey()
  })
  afterAll(async () => {
    stopListening()
    await tested.stop()
  })

  const read = (partnerId: string, secret: string) => tested.client.partner({ partnerId, secret }, 'GET', '/statements')
  const bearer = (method: string, path: string, token: string) => tested.client.call(method, path, { headers: { authorization: `Bearer ${token}` } })
  async function questionsOf(answer: Answer): Promise<readonly string[]> {
    const id = answer.headers.get('x-request-id')
    await untilSo(async () => answered.some(({ requestId }) => requestId === id))
    return answered.find(({ requestId }) => requestId === id)?.queries ?? []
  }

  test('P5: guesses of all kinds of credentials count together, and then get the same 429 without a look-up', async () => {
    const { client } = tested
    const late = await client.createPartner('Late')
    expect((await read(partner.partnerId, partner.secret)).status).toBe(200)
    expect((await bearer('GET', '/v1/rejected-events', client.ingestKey)).status).toBe(200)
    const guesses = [
      await read(partner.partnerId, newCredential('partnerSecret')),
      await read('ps_AAAAAAAAAAAA', newCredential('partnerSecret')),
      await read(partner.partnerId, 'mistyped'),
      await bearer('GET', '/v1/rejected-events', newCredential('ingestKey')),
      await bearer('GET', '/admin/v1/partners', 'not-the-admin-token'),
    ]
    expect(guesses.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401])
    // Nothing was guessed by these: they bring no credential.
    for (let times = 0; times < FAILURES; times += 1) expect((await client.call('GET', '/admin/v1/partners')).status).toBe(401)
    const braked = [
      await read(partner.partnerId, newCredential('partnerSecret')),
      await read('ps_AAAAAAAAAAAA', partner.secret),
      await read(late.partnerId, partner.secret),
      await read(partner.partnerId, 'mistyped'),
      await bearer('GET', '/v1/rejected-events', newCredential('ingestKey')),
      await bearer('GET', '/admin/v1/partners', 'not-the-admin-token'),
      // Even a right one, if it was not seen before: otherwise the answer would show that a guess was righted.
      await read(late.partnerId, late.secret),
    ]
    for (const [index, answer] of braked.entries()) {
      const { request_id, ...body } = answer.body
      expect([index, answer.status, body]).toEqual([index, 429, { success: false, code: 'GUESSING_BRAKE', message: expect.stringContaining('Wait') }])
      const seconds = Number(answer.headers.get('retry-after'))
      expect([seconds >= 1 && seconds <= 60, await questionsOf(answer)]).toEqual([true, []])
    }
    // Behind the same address: credentials that were accepted before still are.
    expect((await read(partner.partnerId, partner.secret)).status).toBe(200)
    expect((await bearer('GET', '/v1/rejected-events', client.ingestKey)).status).toBe(200)
    expect((await client.admin('GET', '/admin/v1/partners')).status).toBe(200)
    expect((await client.call('GET', '/healthz')).status).toBe(200)
  })
})

test('the admin token is accepted from a braked address, even right after a start', async () => {
  const tested = await startTestService({ AUTH_FAILURES_PER_MINUTE: String(FAILURES) })
  const asAdmin = (token: string) => tested.client.call('GET', '/admin/v1/partners', { headers: { authorization: `Bearer ${token}` } })
  for (let guess = 0; guess < FAILURES; guess += 1) expect((await asAdmin(`guess-${guess}`)).status).toBe(401)
  expect([(await asAdmin('another')).status, (await asAdmin(tested.client.adminToken)).status]).toEqual([429, 200])
  await tested.stop()
})

describe('behind a reverse proxy', () => {
  const guessesFrom = async (environment: Record<string, string>) => {
    const tested = await startTestService({ AUTH_FAILURES_PER_MINUTE: String(FAILURES), ...environment })
    const statuses: number[] = []
    for (let guess = 0; guess <= FAILURES; guess += 1) {
      const headers = { authorization: `Bearer ${newCredential('ingestKey')}`, 'x-forwarded-for': `192.0.2.${guess}` }
      statuses.push((await tested.client.call('GET', '/v1/rejected-events', { headers })).status)
    }
    await tested.stop()
    return statuses.at(-1)
  }

  test('X-Forwarded-For counts only from a trusted proxy', async () => {
    expect(await guessesFrom({ TRUSTED_PROXIES: '127.0.0.0/8,::1/128' })).toBe(401)
    expect(await guessesFrom({})).toBe(429)
    expect(await guessesFrom({ TRUSTED_PROXIES: '10.0.0.0/8' })).toBe(429)
  })
})
