import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildHealthApp } from '../../../api/health-app.ts'
import { buildMetricsApp } from '../../../api/metrics-app.ts'
import { shareText } from '../../../api/prometheus/shared-text.ts'
import { listen } from '../../../api/server.ts'
import { RecentLogs } from '../../../api/service-logs/recent-logs.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

describe('METRICS_PORT', () => {
  let tested: TestService
  beforeAll(async () => {
    tested = await startTestService({ METRICS_PORT: '0' })
  })
  afterAll(() => tested.stop())

  test('the listener of its own has the metrics and nothing else, and the main one no longer has them', async () => {
    const metricsUrl = tested.service.metricsUrl ?? ''
    expect(metricsUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    const answer = await fetch(`${metricsUrl}/metrics`, { headers: { 'x-forwarded-for': '192.0.2.1' } })
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/plain')])
    expect(await answer.text()).toContain('meterline_ready 1')
    for (const path of ['/', '/healthz', '/admin/v1/partners', '/docs']) expect((await fetch(`${metricsUrl}${path}`)).status).toBe(404)
    expect((await tested.client.call('GET', '/metrics')).status).toBe(404)
  })

  test('a port in use fails the start and says to set METRICS_PORT', async () => {
    const port = new URL(tested.service.metricsUrl ?? '').port
    const second = await buildMetricsApp({ contentType: 'text/plain', metrics: async () => '' }, pino({ level: 'silent' }))
    const names = { host: 'METRICS_HOST', port: 'METRICS_PORT' }
    await expect(listen(second, { host: '127.0.0.1', port: Number(port), names })).rejects.toThrow(
      `Port ${port} on 127.0.0.1 is in use. Set METRICS_PORT to a free port`,
    )
  })
})

test('the metrics are rendered at most once a second, however many callers there are', async () => {
  let rendered = 0
  const register = {
    contentType: 'text/plain',
    metrics: async () => {
      rendered += 1
      return 'metrics'
    },
  }
  const clock = { nowMs: 1_000_000 }
  const text = shareText(register, () => clock.nowMs)
  for (const [nowMs, times] of [
    [1_000_000, 1],
    [1_000_999, 1],
    [1_001_000, 2],
    [1_001_999, 2],
    // The clock was set back.
    [900_000, 3],
  ]) {
    clock.nowMs = nowMs ?? 0
    await Promise.all(Array.from({ length: 50 }, text))
    expect(rendered).toBe(times)
  }
})

describe('a process that has no API', () => {
  const statusesOf = async (adminToken: string | undefined) => {
    const options = {
      ingesting: undefined,
      aggregating: undefined,
      automating: undefined,
      adminToken,
      hasMetricsListener: false,
      logRequests: 'none' as const,
      serviceLogs: { recentLogs: new RecentLogs(), part: 'ingest', secrets: [] },
      build: { version: '1' },
      isStopping: () => false,
    }
    const app = await buildHealthApp({ ...options, logger: pino({ level: 'silent' }) })
    const status = async (url: string, headers: Record<string, string>, remoteAddress = '192.0.2.1') =>
      (await app.inject({ url, headers, remoteAddress })).statusCode
    const statuses = [
      await status('/metrics', {}, '127.0.0.1'),
      await status('/metrics', {}, '::1'),
      await status('/metrics', {}, '::ffff:127.0.0.1'),
      await status('/metrics', { 'x-forwarded-for': '127.0.0.1' }, '127.0.0.1'),
      await status('/metrics', {}),
      await status('/metrics', { authorization: 'Bearer wrong' }),
      await status('/metrics', { authorization: 'Bearer right' }),
      await status('/healthz', {}),
      await status('/admin/v1/service-logs', {}, '127.0.0.1'),
      await status('/admin/v1/service-logs', { authorization: 'Bearer wrong' }),
      await status('/admin/v1/service-logs', { authorization: 'Bearer right' }),
    ]
    await app.close()
    return statuses
  }

  test('it gives its metrics to programs on this machine, and to others for the admin token if it has one; its log for that token only', async () => {
    expect(await statusesOf('right')).toEqual([200, 200, 200, 401, 401, 401, 200, 200, 401, 401, 200])
    expect(await statusesOf(undefined)).toEqual([200, 200, 200, 401, 401, 401, 401, 200, 401, 401, 401])
  })
})
