import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openConnection } from '../../support/clients/connection.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const lines: string[] = []
let tested: TestService
beforeAll(async () => {
  tested = await startTestService({ LOG_LEVEL: 'warn' }, (line) => lines.push(line))
})
afterAll(() => tested.stop())

const call = (method: string, path: string, headers: Record<string, string> = {}, body?: string) =>
  tested.client.call(method, path, { headers: { authorization: `Bearer ${Math.random()}`, ...headers }, ...(body === undefined ? {} : { body }) })

test('a forwarded request from an address that is no trusted proxy is warned of, once', async () => {
  await tested.client.call('GET', '/healthz')
  const warnings = () => lines.filter((line) => line.includes('TRUSTED_PROXIES')).map((line) => JSON.parse(line))
  expect(warnings()).toEqual([])
  for (const name of ['x-forwarded-for', 'forwarded']) await tested.client.call('GET', '/healthz', { headers: { [name]: '192.0.2.1' } })
  expect(warnings()).toEqual([expect.objectContaining({ address: '127.0.0.1' })])
})

test('every error has the same shape and the id of its request', async () => {
  const json = { 'content-type': 'application/json' }
  const admin = { ...json, authorization: `Bearer ${tested.client.adminToken}` }
  const errors: [Awaited<ReturnType<typeof call>>, number, string][] = [
    [await call('GET', '/nowhere'), 404, 'NOT_FOUND'],
    [await call('PATCH', '/healthz'), 404, 'NOT_FOUND'],
    [await call('GET', `/partnership/v1/${'p'.repeat(300)}/usage`), 404, 'NOT_FOUND'],
    [await call('GET', '/partnership/v1/%zz/usage'), 400, 'INVALID_REQUEST'],
    [await call('OPTIONS', '/v1/events'), 404, 'NOT_FOUND'],
    [await call('GET', '/docs/static/..%2f..%2fpackage.json'), 404, 'NOT_FOUND'],
    [await call('GET', '/partnership/v1/ps_x/usage'), 401, 'UNAUTHENTICATED'],
    [await call('POST', '/admin/v1/partners', json, '{}'), 401, 'UNAUTHENTICATED'],
    [await call('POST', '/admin/v1/partners', admin, '{"name":'), 400, 'BODY_NOT_JSON'],
    [await call('POST', '/admin/v1/partners', admin, '{"name":"x","__proto__":{}}'), 400, 'BODY_NOT_JSON'],
    [await call('POST', '/admin/v1/partners', admin, ''), 400, 'INVALID_REQUEST'],
    [await call('POST', '/admin/v1/partners', admin, 'null'), 400, 'INVALID_REQUEST'],
    [await call('POST', '/admin/v1/partners', { ...admin, 'content-type': 'text/xml' }, '<a/>'), 415, 'UNSUPPORTED_MEDIA_TYPE'],
    [await call('POST', '/admin/v1/partners', admin, JSON.stringify({ name: 'x'.repeat(2 ** 21) })), 413, 'TOO_LARGE'],
  ]
  for (const [answer, status, code] of errors) {
    expect([answer.status, answer.body]).toEqual([
      status,
      { success: false, message: expect.any(String), code, request_id: answer.headers.get('x-request-id') },
    ])
  }
})

test('P5: a body that is not accepted is rejected with the accepted types and sizes', async () => {
  const admin = { authorization: `Bearer ${tested.client.adminToken}` }
  const rejection = async (type: string, body: string, path = '/admin/v1/partners', headers: Record<string, string> = admin) => {
    const answer = await call('POST', path, { ...headers, 'content-type': type }, body)
    return [answer.status, answer.body.code, answer.body.message]
  }
  for (const type of ['text/plain', 'text/xml', 'application/x-www-form-urlencoded'])
    expect(await rejection(type, '{"name":"x"}')).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE', 'Send the body as application/json.'])
  expect(await rejection('application/json', ' '.repeat(2 ** 20 + 1))).toEqual([
    413,
    'TOO_LARGE',
    'The body has more than 1 MiB, which is the limit of this route. Nothing of it was stored.',
  ])
  await tested.client.createIngestKey()
  const emitter = { authorization: `Bearer ${tested.client.ingestKey}` }
  expect(await rejection('text/plain', '{}', '/v1/events', emitter)).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE', expect.stringContaining('application/x-ndjson')])
  expect(await rejection('application/json', ' '.repeat(10 * 2 ** 20 + 1), '/v1/events', emitter)).toEqual([
    413,
    'TOO_LARGE',
    'The body has more than 10 MiB, which is the limit of this route. Nothing of it was stored.',
  ])
})

test('a missing field is reported as required, and other faults by their own message', async () => {
  const admin = { authorization: `Bearer ${tested.client.adminToken}`, 'content-type': 'application/json' }
  const rejection = async (path: string, body?: string) => {
    const answer = await call(body === undefined ? 'GET' : 'POST', path, admin, body)
    return [answer.status, answer.body.message]
  }
  expect(await rejection('/admin/v1/partners', '{}')).toEqual([400, 'body.name: is required'])
  expect(await rejection('/admin/v1/partners', '{"name":7}')).toEqual([400, 'body.name: Invalid input: expected string, received number'])
  expect(await rejection('/admin/v1/tokens', '{}')).toEqual([400, 'body.role: is required'])
  expect(await rejection('/admin/v1/replays', '{}')).toEqual([400, 'body.from: is required'])
  expect(await rejection('/admin/v1/explain')).toEqual([400, 'query.metric: is required'])
})

test('bytes that are not HTTP get an error of the same shape', async () => {
  const host = 'Host: meterline\r\n'
  for (const text of [
    'GARBAGE\r\n\r\n',
    `FOO / HTTP/1.1\r\n${host}\r\n`,
    'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n',
    `GET / HTTP/1.1\r\n${host}X: ${'x'.repeat(20_000)}\r\n\r\n`,
    `POST /v1/events HTTP/1.1\r\n${host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ]) {
    const connection = openConnection(tested.service.url)
    connection.write(text)
    expect(await connection.answer).toMatchObject({ status: 400, body: { success: false, code: 'INVALID_REQUEST', request_id: expect.any(String) } })
  }
})

describe('public pages', () => {
  test('/metrics returns the metrics in the format of Prometheus', async () => {
    const metrics = (await tested.client.call('GET', '/metrics')).text
    for (const name of ['meterline_ready 1', 'meterline_events_counted_total', 'meterline_filter_complete', 'meterline_http_request_duration_seconds_count'])
      expect(metrics).toContain(name)
  })

  test('/metrics is for programs on this machine and operators: a caller behind a proxy needs an operator token', async () => {
    const forwarded = (headers: Record<string, string>) => tested.client.call('GET', '/metrics', { headers })
    const { body } = await tested.client.admin('POST', '/admin/v1/tokens', { role: 'finance' })
    for (const name of ['x-forwarded-for', 'forwarded', 'x-real-ip', 'via']) expect((await forwarded({ [name]: '127.0.0.1' })).status).toBe(401)
    expect((await forwarded({ via: '1.1 proxy', authorization: `Bearer ${body.token}` })).status).toBe(403)
    expect((await forwarded({ via: '1.1 proxy', authorization: `Bearer ${tested.client.adminToken}` })).status).toBe(200)
  })

  test('the description of the API is prepared once, as JSON at each of its addresses', async () => {
    const [first, ...others] = await Promise.all(['/openapi.json', '/docs/json', '/docs/yaml', '/openapi.json'].map((path) => tested.client.call('GET', path)))
    for (const other of others) expect([other.headers.get('etag'), other.text === first?.text]).toEqual([first?.headers.get('etag'), true])
    const again = await fetch(`${tested.service.url}/openapi.json`, { method: 'HEAD', headers: { 'if-none-match': first?.headers.get('etag') ?? '' } })
    expect([again.status, first?.headers.get('content-type')]).toEqual([304, 'application/json; charset=utf-8'])
  })

  test('no page makes browsers insist on TLS, which this service does not have', async () => {
    for (const path of ['/docs', '/docs/', '/docs/static/swagger-ui.css']) {
      const policy = (await tested.client.call('GET', path)).headers.get('content-security-policy')
      expect([path, policy]).toEqual([path, expect.stringContaining("default-src 'self'")])
      expect(policy).not.toMatch(/upgrade-insecure-requests|validator/)
    }
  })

  test('/docs is a page with security headers', async () => {
    const page = await tested.client.call('GET', '/docs/')
    expect([page.status, page.headers.get('content-type')?.split(';')[0]]).toEqual([200, 'text/html'])
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'")
    expect(page.headers.get('x-content-type-options')).toBe('nosniff')
  })
})

/** The last one: nothing is answered after it. */
test('a request that arrives while the service stops gets STOPPING in the common error shape', async () => {
  const connection = openConnection(tested.service.url)
  // Begun, but not sent as a whole: the stop waits for it, as it does for every request under way.
  connection.write('GET /healthz HTTP/1.1\r\nHost: meterline\r\n')
  await fetch(`${tested.service.url}/healthz`)
  const stopped = tested.stop()
  await untilSo(async () => (await fetch(tested.service.url).catch(() => undefined)) === undefined)
  connection.write('\r\n')
  expect(await connection.answer).toMatchObject({ status: 503, body: { success: false, code: 'STOPPING', request_id: expect.any(String) } })
  await stopped
})
