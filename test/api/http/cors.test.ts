import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readConfig } from '../../../service/config.ts'
import type { Answer } from '../../support/clients/client.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const CONSOLE = 'https://console.example.com'
const STRANGERS = ['https://evil.example', 'http://console.example.com', 'https://console.example.com:8443', 'https://console.example.com.evil.example', 'null']

const from = (origin: string) => ({ origin })
const preflight = (origin: string) => ({ origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type' })
const grants = ({ headers }: Answer) => [...headers.keys()].filter((name) => name.startsWith('access-control-'))

test('by default no CORS headers are sent and preflights are unknown routes', async () => {
  const closed = await startTestService()
  const answer = await closed.client.call('GET', '/healthz', { headers: from(CONSOLE) })
  expect([answer.status, grants(answer)]).toEqual([200, []])
  const preflighted = await closed.client.call('OPTIONS', '/v1/events', { headers: preflight(CONSOLE) })
  expect([preflighted.status, preflighted.body.code, grants(preflighted)]).toEqual([404, 'NOT_FOUND', []])
  await closed.stop()
})

describe('with configured origins', () => {
  let open: TestService
  beforeAll(async () => {
    open = await startTestService({ CORS_ORIGINS: `${CONSOLE}, http://localhost:5173`, RATE_LIMIT_PER_MINUTE: '100' })
  })
  afterAll(() => open.stop())

  test('a preflight names the allowed methods and headers, and needs no credentials', async () => {
    const { status, headers, text } = await open.client.call('OPTIONS', '/v1/events', { headers: preflight(CONSOLE) })
    expect([status, text, headers.get('access-control-allow-origin')]).toEqual([204, '', CONSOLE])
    expect(headers.get('access-control-allow-methods')).toBe('GET, HEAD, POST, PUT, PATCH, DELETE')
    expect(headers.get('access-control-allow-headers')).toBe('authorization, x-partnership-secret, content-type, if-none-match')
    expect(headers.get('access-control-allow-credentials')).toBeNull()
    expect(headers.get('vary')?.toLowerCase()).toContain('origin')
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('browsers of a configured origin can read answers, errors and the exposed headers', async () => {
    for (const [path, status] of [
      ['/healthz', 200],
      ['/admin/v1/partners', 401],
      ['/nowhere', 404],
    ] as const) {
      const answer = await open.client.call('GET', path, { headers: from('http://localhost:5173') })
      expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([status, 'http://localhost:5173'])
      const exposed = answer.headers.get('access-control-expose-headers')?.split(', ')
      for (const name of ['etag', 'ratelimit', 'ratelimit-policy', 'retry-after', 'x-request-id', 'x-meterline-manifest']) expect(exposed).toContain(name)
    }
  })

  test('browsers of a configured origin can read a 429', async () => {
    const headers = { ...from(CONSOLE), authorization: 'Bearer often' }
    const answers = await Promise.all(Array.from({ length: 101 }, () => open.client.call('GET', '/admin/v1/partners', { headers })))
    const limited = answers.find(({ status }) => status === 429)
    expect(limited?.headers.get('access-control-allow-origin')).toBe(CONSOLE)
  })

  test('other origins get no CORS headers', async () => {
    for (const origin of STRANGERS) {
      const answer = await open.client.call('GET', '/healthz', { headers: from(origin) })
      expect([origin, answer.status, grants(answer)]).toEqual([origin, 200, []])
      // A cache must not give to one what it kept of another.
      expect(answer.headers.get('vary')?.toLowerCase()).toContain('origin')
      const preflighted = await open.client.call('OPTIONS', '/v1/events', { headers: preflight(origin) })
      expect([origin, preflighted.status, preflighted.body.code, grants(preflighted)]).toEqual([origin, 404, 'NOT_FOUND', []])
    }
  })
})

test('CORS_ORIGINS rejects a text that no browser sends as an origin', () => {
  expect(readConfig({ CORS_ORIGINS: `${CONSOLE}, http://localhost:5173` }).CORS_ORIGINS).toEqual([CONSOLE, 'http://localhost:5173'])
  expect(readConfig({}).CORS_ORIGINS).toEqual([])
  for (const wrong of [
    '*',
    `${CONSOLE}/`,
    `${CONSOLE}/path`,
    'HTTPS://Console.example.com',
    'ftp://console.example.com',
    'console.example.com',
    `${CONSOLE}:443`,
    `${CONSOLE},`,
  ])
    expect(() => readConfig({ CORS_ORIGINS: wrong }), wrong).toThrow('CORS_ORIGINS: must be a list of origins')
})
