import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openConnection } from '../support/connection.ts'
import { startTestService, type TestService } from '../support/test-service.ts'
import { untilSo } from '../support/until-so.ts'

let tested: TestService
beforeAll(async () => {
  tested = await startTestService({ RATE_LIMIT_PER_MINUTE: '30', EVENT_REQUESTS_PER_MINUTE: '5' })
})
afterAll(() => tested.stop())

const asked = (method: string, path: string, headers: Record<string, string> = {}, body?: string) =>
  tested.client.call(method, path, { headers: { authorization: `Bearer ${Math.random()}`, ...headers }, ...(body === undefined ? {} : { body }) })

test('every error has one shape and the id of its request', async () => {
  const json = { 'content-type': 'application/json' }
  const admin = { ...json, authorization: `Bearer ${tested.client.adminToken}` }
  const errors: [Awaited<ReturnType<typeof asked>>, number, string][] = [
    [await asked('GET', '/nowhere'), 404, 'NOT_FOUND'],
    [await asked('PATCH', '/healthz'), 404, 'NOT_FOUND'],
    [await asked('GET', `/partnership/v1/${'p'.repeat(300)}/usage`), 404, 'NOT_FOUND'],
    [await asked('GET', '/partnership/v1/%zz/usage'), 400, 'INVALID_REQUEST'],
    [await asked('OPTIONS', '/v1/events'), 404, 'NOT_FOUND'],
    [await asked('GET', '/docs/static/..%2f..%2fpackage.json'), 404, 'NOT_FOUND'],
    [await asked('GET', '/partnership/v1/ps_x/usage'), 401, 'UNAUTHENTICATED'],
    [await asked('POST', '/admin/v1/partners', json, '{}'), 401, 'UNAUTHENTICATED'],
    [await asked('POST', '/admin/v1/partners', admin, '{"name":'), 400, 'BODY_NOT_JSON'],
    [await asked('POST', '/admin/v1/partners', admin, '{"name":"x","__proto__":{}}'), 400, 'BODY_NOT_JSON'],
    [await asked('POST', '/admin/v1/partners', admin, ''), 400, 'INVALID_REQUEST'],
    [await asked('POST', '/admin/v1/partners', admin, 'null'), 400, 'INVALID_REQUEST'],
    [await asked('POST', '/admin/v1/partners', { ...admin, 'content-type': 'text/xml' }, '<a/>'), 415, 'UNSUPPORTED_MEDIA_TYPE'],
    [await asked('POST', '/admin/v1/partners', admin, JSON.stringify({ name: 'x'.repeat(2 ** 21) })), 413, 'TOO_LARGE'],
  ]
  for (const [answer, status, code] of errors) {
    expect([answer.status, answer.body]).toEqual([
      status,
      { success: false, message: expect.any(String), code, request_id: answer.headers.get('x-request-id') },
    ])
  }
})

test('what is not even HTTP is answered in the same shape', async () => {
  const host = 'Host: meterline\r\n'
  for (const text of [
    'GARBAGE\r\n\r\n',
    `FOO / HTTP/1.1\r\n${host}\r\n`,
    `GET / HTTP/1.1\r\n${host}X: ${'x'.repeat(20_000)}\r\n\r\n`,
    `POST /v1/events HTTP/1.1\r\n${host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ]) {
    const connection = openConnection(tested.service.url)
    connection.write(text)
    expect(await connection.answer).toMatchObject({ status: 400, body: { success: false, code: 'INVALID_REQUEST', request_id: expect.any(String) } })
  }
})

test('requests beyond the limit of a credential are 429 and say when to come back', async () => {
  const headers = { authorization: 'Bearer one-and-the-same' }
  const answers = await Promise.all(Array.from({ length: 40 }, () => asked('GET', '/admin/v1/partners', headers)))
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(10)
  const limited = answers.find(({ status }) => status === 429)
  expect(limited?.body.code).toBe('RATE_LIMITED')
  expect(Number(limited?.headers.get('retry-after'))).toBeGreaterThan(0)
  expect((await asked('GET', '/admin/v1/partners', { authorization: 'Bearer another' })).status).toBe(401)
  const events = await Promise.all(Array.from({ length: 8 }, () => asked('POST', '/v1/events', { authorization: 'Bearer emitter' }, '[]')))
  expect(events.filter(({ status }) => status === 429)).toHaveLength(3)
})

describe('what everyone may ask', () => {
  test('/healthz, /readyz and /metrics are not limited', async () => {
    for (const path of ['/healthz', '/readyz', '/metrics']) {
      const answers = await Promise.all(Array.from({ length: 40 }, () => tested.client.call('GET', path)))
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    }
    const metrics = (await tested.client.call('GET', '/metrics')).text
    for (const name of ['meterline_ready 1', 'meterline_events_counted_total', 'meterline_filter_complete', 'meterline_http_request_duration_seconds_count'])
      expect(metrics).toContain(name)
  })

  test('/ and /docs are pages, with headers that protect them', async () => {
    for (const path of ['/', '/docs/']) {
      const page = await tested.client.call('GET', path)
      expect([page.status, page.headers.get('content-type')?.split(';')[0]]).toEqual([200, 'text/html'])
      expect(page.headers.get('content-security-policy')).toContain("default-src 'self'")
      expect(page.headers.get('x-content-type-options')).toBe('nosniff')
    }
  })

  test('/openapi.json describes every route there is', async () => {
    const { body } = await tested.client.call('GET', '/openapi.json')
    expect(body.openapi).toBe('3.1.0')
    const described = Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect(described.sort()).toEqual([
      'DELETE /partnership/v1/{partnerId}/{projectId}',
      'GET /admin/v1/audits',
      'GET /admin/v1/explain',
      'GET /admin/v1/exports',
      'GET /admin/v1/exports/manifest',
      'GET /admin/v1/logs',
      'GET /admin/v1/partners',
      'GET /admin/v1/rejected-events',
      'GET /admin/v1/silent-projects',
      'GET /admin/v1/statements/{partnerId}',
      'GET /admin/v1/statements/{partnerId}/{month}',
      'GET /healthz',
      'GET /partnership/v1/{partnerId}/projects',
      'GET /partnership/v1/{partnerId}/statements',
      'GET /partnership/v1/{partnerId}/statements/{month}',
      'GET /partnership/v1/{partnerId}/statements/{month}/export',
      'GET /partnership/v1/{partnerId}/usage',
      'GET /partnership/v1/{partnerId}/usage/explain',
      'GET /partnership/v1/{partnerId}/{projectId}/usage',
      'GET /readyz',
      'GET /v1/rejected-events',
      'PATCH /admin/v1/partners/{partnerId}',
      'POST /admin/v1/audits',
      'POST /admin/v1/ingest-keys',
      'POST /admin/v1/logs/audits',
      'POST /admin/v1/logs/repartition',
      'POST /admin/v1/logs/{log}/reset',
      'POST /admin/v1/partners',
      'POST /admin/v1/rebuilds',
      'POST /admin/v1/rejected-events/resend',
      'POST /admin/v1/replays',
      'POST /admin/v1/statements/{partnerId}/adjustments',
      'POST /admin/v1/statements/{partnerId}/{month}/close',
      'POST /partnership/v1/{partnerId}/sync-embedded-project',
      'POST /v1/events',
      'PUT /admin/v1/projects/{projectId}',
    ])
    expect(Object.keys(body.paths['/v1/events'].post.requestBody.content)).toHaveLength(4)
    expect(JSON.stringify(body)).toContain('{"type":"number","description":"Exact decimal')
  })

  test('/openapi.json can be followed: every reference, parameter, credential and error of it', async () => {
    const { body } = await tested.client.call('GET', '/openapi.json')
    for (const [path, methods] of Object.entries(body.paths as Record<string, Record<string, Operation>>)) {
      for (const [method, operation] of Object.entries(methods)) {
        const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1])
        const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path')
        expect([method, path, inPath.map(({ name, required }) => [name, required])]).toEqual([method, path, named.map((name) => [name, true])])
        for (const scheme of (operation.security ?? []).flatMap(Object.keys)) expect(Object.keys(body.components.securitySchemes)).toContain(scheme)
        for (const [status, { content, description }] of Object.entries(operation.responses)) {
          expect([method, path, status, typeof description, Object.keys(content)]).toEqual([method, path, status, 'string', ['application/json']])
          if (Number(status) >= 400) expect(content['application/json']).toEqual({ schema: { $ref: '#/components/schemas/Error' } })
        }
      }
    }
    for (const [reference] of JSON.stringify(body).matchAll(/#\/components\/[\w/]+/g)) {
      const found = reference
        .split('/')
        .slice(1)
        .reduce((inner, key) => inner?.[key], body)
      expect([reference, typeof found]).toEqual([reference, 'object'])
    }
  })
})

/** The last one: nothing is answered after it. */
test('a request that comes while the service stops is told so, in the same shape', async () => {
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

interface Operation {
  readonly parameters?: { in: string; name: string; required?: boolean }[]
  readonly security?: Record<string, string[]>[]
  readonly responses: Record<string, { description?: string; content: Record<string, { schema: object }> }>
}
