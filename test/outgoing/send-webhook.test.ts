import { createHmac, randomBytes } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { Webhook } from 'standardwebhooks'
import { afterEach, describe, expect, test } from 'vitest'
import { type CallableUrl, NO_NETWORKS, parseCallableUrl, parseNetworks } from '../../outgoing/public-address.ts'
import { parseSigningKeys, type SigningKey, sendWebhook, signaturesOf, type WebhookOutcome, type WebhookTarget } from '../../outgoing/send-webhook.ts'
import { startWebhookReceiver } from '../support/clients/webhook-receiver.ts'
import { untilSo } from '../support/until-so.ts'

const SECRET = `whsec_${randomBytes(32).toString('base64')}`
const OLD_SECRET = `whsec_${randomBytes(24).toString('base64')}`
const LOOPBACK = parsed(parseNetworks('127.0.0.0/8,::1/128'))
const BODY = Buffer.from('{"type":"project.paused","name":"Müller & Söhne"}')
const PATIENCE_MS = 300

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

describe('private addresses', () => {
  const hosts = ['127.0.0.1', '0x7f.1', '2130706433', '017700000001', '127.1', '[::ffff:127.0.0.1]', 'localhost', 'LOCALHOST']
  for (const scheme of ['http', 'https'])
    for (const host of hosts)
      test(`no connection is made to the private address ${scheme}://${host}`, async () => {
        const receiver = await startReceiver()
        const outcome = await sendWebhook(target(`${scheme}://${host}:${receiver.port}/`, { allowed: NO_NETWORKS }), message())
        expect(outcome).toEqual({ status: 'refused', reason: 'private_address', address: expect.stringMatching(/^127\.0\.0\.1$|^::1$|^::ffff:7f00:1$/) })
        expect(receiver.connections()).toBe(0)
      })

  test('no connection is made to a name that has a private address beside an allowed one', async () => {
    const receiver = await startReceiver()
    const resolve = async () => [v4('127.0.0.1'), v4('10.0.0.1')]
    const outcome = await sendWebhook(target(`http://platform.example:${receiver.port}/`, { resolve }), message())
    expect(outcome).toEqual({ status: 'refused', reason: 'private_address', address: '10.0.0.1' })
    expect(receiver.connections()).toBe(0)
  })

  test('a name is resolved once, and the checked address is the one that is called, even if the name would resolve differently next', async () => {
    const receiver = await startReceiver()
    const answers = [[v4('127.0.0.1')], [v4('169.254.169.254')]]
    const url = `http://platform.example:${receiver.port}/hook`
    const outcome = await sendWebhook(target(url, { allowed: parsed(parseNetworks('127.0.0.1/32')), resolve: async () => answers.shift() ?? [] }), message())
    expect(outcome).toEqual({ status: 'delivered' })
    expect([receiver.connections(), answers.length]).toEqual([1, 1])
    expect(receiver.requests[0]?.headers['host']).toBe(`platform.example:${receiver.port}`)
  })

  test('a redirect is a failure and is not followed', async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      const elsewhere = await startReceiver()
      const receiver = await startReceiver({ answer: (_, response) => response.writeHead(status, { location: elsewhere.url }).end() })
      expect(await sendWebhook(target(receiver.url), message())).toEqual({
        status: 'failed',
        reason: 'http_status',
        httpStatus: status,
        retryAfterMs: undefined,
      })
      expect([receiver.connections(), elsewhere.connections()]).toEqual([1, 0])
    }
  })
})

describe('signatures according to Standard Webhooks', () => {
  test('a receiver with the new or the old secret can verify the received bytes', async () => {
    const receiver = await startReceiver()
    expect(await sendWebhook(target(receiver.url, { keys: keysOf(`${SECRET}, ${OLD_SECRET}`) }), message())).toEqual({ status: 'delivered' })
    const { method, headers, body } = parsed(receiver.requests[0])
    expect(method).toBe('POST')
    expect(body.equals(BODY)).toBe(true)
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'content-length': String(BODY.length), 'webhook-id': 'msg_1' })
    expect(headers['webhook-signature']).toMatch(/^v1,\S{44} v1,\S{44}$/)
    for (const secret of [SECRET, OLD_SECRET]) expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(BODY.toString()))
    const otherSecret = new Webhook(randomBytes(32).toString('base64'))
    expect(() => otherSecret.verify(body, headers)).toThrow('No matching signature')
  })

  test('a signature is invalid for another id, time or body', async () => {
    const receiver = await startReceiver()
    await sendWebhook(target(receiver.url), message())
    const { body, headers } = parsed(receiver.requests[0])
    const changes = [{ 'webhook-id': 'msg_2' }, { 'webhook-timestamp': String(Number(headers['webhook-timestamp']) + 1) }]
    for (const change of changes) expect(() => new Webhook(SECRET).verify(body, { ...headers, ...change })).toThrow('No matching')
    expect(() => new Webhook(SECRET).verify(Buffer.concat([body, Buffer.from(' ')]), headers)).toThrow('No matching')
  })

  test('the signature equals the example of the reference libraries', () => {
    const example = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestampS: 1_614_265_330, body: Buffer.from('{"test": 2432232314}') }
    expect(signaturesOf(example, keysOf('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'))).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
  })

  test('bytes that are not valid text are signed and sent unchanged', async () => {
    const receiver = await startReceiver()
    const body = Buffer.from([0xff, 0x00, 0xc3, 0x28, 0x0a])
    const { timestampS } = message()
    await sendWebhook(target(receiver.url), { id: 'msg_1', timestampS, body })
    const signed = createHmac('sha256', Buffer.from(SECRET.slice(6), 'base64')).update(Buffer.concat([Buffer.from(`msg_1.${timestampS}.`), body]))
    expect(receiver.requests[0]?.body.equals(body)).toBe(true)
    expect(receiver.requests[0]?.headers['webhook-signature']).toBe(`v1,${signed.digest('base64')}`)
  })

  test('an id or a time that would make the signed text ambiguous is rejected', () => {
    for (const timestampS of [1.5, Number.NaN]) expect(() => sendWebhook(target('http://127.0.0.1:1/'), { ...message(), timestampS })).toThrow(RangeError)
    for (const id of ['', 'a.1', 'a\r\nx-evil: 1', 'a b', 'ä', 'a'.repeat(129)])
      expect(() => sendWebhook(target('http://127.0.0.1:1/'), { ...message(), id })).toThrow(RangeError)
  })

  test('only secrets of whsec_ and 24 to 64 bytes in strict base64 are accepted', () => {
    const secretOf = (bytes: number) => `whsec_${randomBytes(bytes).toString('base64')}`
    const wrong = ['', 'whsec_', secretOf(23), secretOf(65), SECRET.slice(6), `${SECRET},`, `${SECRET} ${SECRET}`, SECRET.replace(/=$/, ''), `${SECRET}!`]
    expect([...wrong, `whsk_${SECRET.slice(6)}`, Array(6).fill(SECRET).join(',')].filter((text) => parseSigningKeys(text) !== undefined)).toEqual([])
    for (const bytes of [24, 32, 64]) expect(parseSigningKeys(`${secretOf(bytes)},${secretOf(bytes)}`)?.map((key) => key.length)).toEqual([bytes, bytes])
  })
})

describe('outcomes of a delivery', () => {
  const statuses: [number, WebhookOutcome][] = [
    ...[200, 202, 204, 299].map((status): [number, WebhookOutcome] => [status, { status: 'delivered' }]),
    ...[304, 400, 404, 410, 500].map((httpStatus): [number, WebhookOutcome] => [
      httpStatus,
      { status: 'failed', reason: 'http_status', httpStatus, retryAfterMs: undefined },
    ]),
  ]
  for (const [status, outcome] of statuses)
    test(`a response ${status} has the outcome "${outcome.status}" and leaves no connection open`, async () => {
      const receiver = await startReceiver({ answer: (_, response) => response.writeHead(status).end() })
      expect(await sendWebhook(target(receiver.url), message())).toEqual(outcome)
      await untilSo(async () => receiver.open() === 0)
    })

  test('Retry-After in seconds is returned in ms; a date is ignored', async () => {
    for (const [retryAfter, retryAfterMs] of [['120', 120_000] as const, ['Wed, 21 Oct 2026 07:28:00 GMT', undefined] as const, ['-1', undefined] as const]) {
      const receiver = await startReceiver({ answer: (_, response) => response.writeHead(503, { 'retry-after': retryAfter }).end() })
      expect(await sendWebhook(target(receiver.url), message())).toEqual({ status: 'failed', reason: 'http_status', httpStatus: 503, retryAfterMs })
    }
  })

  test('a delivery to a receiver that never answers times out', async () => {
    const receiver = await startReceiver({ answer: () => {} })
    expect(await send(receiver.url)).toEqual({ status: 'failed', reason: 'timed_out' })
    expect(receiver.connections()).toBe(1)
    await untilSo(async () => receiver.open() === 0)
  })

  test('a delivery to a receiver that stops in the middle of its headers times out', async () => {
    const receiver = await startReceiver({ answer: ({ socket }) => void socket.write('HTTP/1.1 200 OK\r\nx-a: b\r\n') })
    expect(await send(receiver.url)).toEqual({ status: 'failed', reason: 'timed_out' })
  })

  test('a delivery to a name that is never resolved times out', async () => {
    expect(await send('http://platform.example/', { resolve: () => new Promise(() => {}) })).toEqual({ status: 'failed', reason: 'timed_out' })
  })

  test('a response whose body never ends counts by its status', async () => {
    const receiver = await startReceiver({ answer: (_, response) => void response.writeHead(200, { 'content-length': '100' }).write('half') })
    expect(await send(receiver.url)).toEqual({ status: 'delivered' })
    await untilSo(async () => receiver.open() === 0)
  })

  test('a huge response is not read completely', async () => {
    let sentBytes = 0
    const chunk = Buffer.alloc(65_536)
    const receiver = await startReceiver({
      answer: (_, response) => {
        const write = () => {
          while (!response.destroyed && response.write(chunk)) sentBytes += chunk.length
        }
        response.on('drain', write)
        write()
      },
    })
    const { url } = receiver
    // If the body were read, the receiver would write until the test times out.
    expect(await sendWebhook(target(url), message(), { timeoutMs: 30_000, responseBytesMax: 100_000 })).toEqual({ status: 'delivered' })
    await untilSo(async () => receiver.open() === 0)
    // The socket buffers of both sides contain bytes that were sent and not read.
    expect(sentBytes).toBeLessThan(32 * 1_024 * 1_024)
  })

  const faults: Record<string, [RequestListener, string | undefined]> = {
    'breaks the connection': [(request) => request.socket.destroy(), 'ECONNRESET'],
    'does not speak HTTP': [(request) => void request.socket.write('220 smtp.example ESMTP\r\n'), 'HPE_INVALID_CONSTANT'],
    'sends headers without an end': [(request) => void request.socket.write(`HTTP/1.1 200 OK\r\nx-a: ${'b'.repeat(100_000)}`), 'HPE_HEADER_OVERFLOW'],
    'switches protocols': [(request) => void request.socket.write('HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'), undefined],
  }
  for (const [name, [answer, code]] of Object.entries(faults))
    test(`a receiver that ${name} has the outcome "no_answer"`, async () => {
      const receiver = await startReceiver({ answer })
      expect(await sendWebhook(target(receiver.url), message())).toEqual({ status: 'failed', reason: 'no_answer', code })
      await untilSo(async () => receiver.open() === 0)
    })

  test('a receiver that is down, not found or without TLS has the outcome "no_answer" with the error code of Node', async () => {
    const receiver = await startReceiver()
    expect(await sendWebhook(target(receiver.url.replace('http:', 'https:')), message())).toMatchObject({ reason: 'no_answer', code: expect.any(String) })
    const missing = async () => Promise.reject(Object.assign(new Error('not found'), { code: 'ENOTFOUND' }))
    expect(await sendWebhook(target('http://platform.example/', { resolve: missing }), message())).toMatchObject({ reason: 'no_answer', code: 'ENOTFOUND' })
    await receiver.stop()
    expect(await sendWebhook(target(receiver.url), message())).toMatchObject({ status: 'failed', reason: 'no_answer', code: 'ECONNREFUSED' })
  })

  test('each delivery uses a new connection', async () => {
    const receiver = await startReceiver()
    for (let delivery = 0; delivery < 3; delivery += 1) await sendWebhook(target(receiver.url), message())
    expect(receiver.connections()).toBe(3)
    await untilSo(async () => receiver.open() === 0)
  })
})

async function startReceiver({ answer }: { answer?: RequestListener } = {}) {
  const receiver = await startWebhookReceiver(answer)
  closers.push(receiver.stop)
  return receiver
}

function target(text: string, changes: Partial<WebhookTarget> = {}): WebhookTarget {
  return { url: urlOf(text), keys: keysOf(SECRET), allowed: LOOPBACK, ...changes }
}

function message() {
  return { id: 'msg_1', timestampS: Math.floor(Date.now() / 1_000), body: BODY }
}

function send(url: string, changes: Partial<WebhookTarget> = {}): Promise<WebhookOutcome> {
  return sendWebhook(target(url, changes), message(), { timeoutMs: PATIENCE_MS, responseBytesMax: 1_000 })
}

function urlOf(text: string): CallableUrl {
  return parsed(parseCallableUrl(text))
}

function keysOf(text: string): SigningKey[] {
  return parsed(parseSigningKeys(text))
}

function v4(address: string) {
  return { address, family: 4 }
}

function parsed<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('The test expected a value here.')
  return value
}
