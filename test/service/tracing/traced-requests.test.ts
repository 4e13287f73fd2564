import { createRequire } from 'node:module'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readConfig } from '../../../service/config.ts'
import { exportOptionsOf } from '../../../service/tracing/variables.ts'
import type { Credentials } from '../../support/clients/client.ts'
import { attributeOf, type CollectedSpan, startTraceCollector, type TraceCollector } from '../../support/clients/trace-collector.ts'
import { startServiceProcess } from '../../support/engines/service-process.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

/** The exporter's own limit, which would be the time of the stop if it waited for the export. */
const EXPORT_MS_MAX = 10_000
const EVENT = { event_id: 'e', project_id: 'traced', metric: 'ai_tokens', value: 1, timestamp: '2026-03-07T00:00:00Z' }

function loadedSdk(): string[] {
  return Object.keys(createRequire(import.meta.url).cache).filter((path) => /@opentelemetry\/(?:sdk|exporter|otlp)/.test(path))
}

test('without a variable of OpenTelemetry traces are off, and no package of it is loaded with the service', () => {
  expect([exportOptionsOf(readConfig({})), loadedSdk()]).toEqual([undefined, []])
})

function traceIdOf(digit: string): string {
  return digit.repeat(32)
}

function traceparentOf(digit: string, flags = '01'): string {
  return `00-${traceIdOf(digit)}-${digit.repeat(16)}-${flags}`
}

describe('a service with traces', () => {
  let collector: TraceCollector
  let tested: TestService
  let partner: Credentials
  beforeAll(async () => {
    collector = await startTraceCollector()
    tested = await startTestService({ ...collector.variables, OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=a%20key', OTEL_SERVICE_NAME: 'usage' })
    partner = await tested.client.createPartner('Partner of the traces')
    await tested.client.createIngestKey()
    await tested.client.registerProject('traced', partner.partnerId)
  })
  afterAll(async () => {
    await tested.stop()
    await collector.stop()
  })

  const get = (path: string, headers: Record<string, string>) => tested.client.call('GET', path, { headers })
  const usage = (traceparent: string) =>
    get(`/partnership/v1/${partner.partnerId}/traced/usage?start_date=2026-03-01&end_date=2026-03-31`, { 'x-partnership-secret': partner.secret, traceparent })
  const send = (traceparent: string, body: unknown = [EVENT]) => {
    const headers = { authorization: `Bearer ${tested.client.ingestKey}`, 'content-type': 'application/json', traceparent }
    return tested.client.call('POST', '/v1/events', { headers, body: JSON.stringify(body) })
  }
  const until = (digit: string, name: string) => collector.until((span) => span.traceId === traceIdOf(digit) && span.name === name)
  const ofTrace = (digit: string) => collector.spans().filter(({ traceId }) => traceId === traceIdOf(digit))

  test('a read is one trace from the span of its caller to its statements, which are named and have no SQL', async () => {
    expect((await usage(traceparentOf('a'))).status).toBe(200)
    const request = await until('a', 'GET /partnership/v1/:partnerId/:projectId/usage')
    expect(request.parentSpanId).toBe('a'.repeat(16))
    expect([attributeOf(request, 'http.route'), attributeOf(request, 'http.response.status_code')]).toEqual([
      '/partnership/v1/:partnerId/:projectId/usage',
      '200',
    ])
    const statements = ofTrace('a').filter((span) => attributeOf(span, 'db.system.name') === 'clickhouse')
    expect(statements.map(({ name }) => name)).toContain('query project_usage_per_day')
    expect(new Set(statements.map(({ parentSpanId }) => parentSpanId))).toEqual(new Set([request.spanId]))
    const keys = new Set(ofTrace('a').flatMap(({ attributes }) => attributes.map(({ key }) => key)))
    expect([...keys].sort()).toEqual([
      'db.operation.name',
      'db.query.summary',
      'db.system.name',
      'http.request.method',
      'http.response.status_code',
      'http.route',
      'meterline.request_id',
    ])
  })

  test('events are one trace from the request over their batch to the insert', async () => {
    expect((await send(traceparentOf('b'))).status).toBe(200)
    const request = await until('b', 'POST /v1/events')
    const batch = await until('b', 'count batch')
    const insert = await until('b', 'insert usage_events_inbox_v1')
    expect([batch.parentSpanId, insert.parentSpanId]).toEqual([request.spanId, batch.spanId])
    expect([attributeOf(batch, 'meterline.events'), attributeOf(batch, 'meterline.log')]).toEqual(['1', 'http'])
  })

  test('requests that share a batch are linked from it', async () => {
    // The first one is a batch of its own; the others arrive while it is written.
    const digits = ['1', '2', '3', '4', '5', '6']
    await Promise.all(digits.map((digit) => send(traceparentOf(digit), [{ ...EVENT, event_id: digit }])))
    for (const digit of digits) await until(digit, 'POST /v1/events')
    const linked = () => {
      const batches = collector.spans().filter(({ name, traceId }) => name === 'count batch' && digits.some((digit) => traceIdOf(digit) === traceId))
      return new Set(batches.flatMap(({ traceId, links = [] }) => [traceId, ...links.map((link) => link.traceId)]))
    }
    await untilSo(async () => linked().size === digits.length)
    expect([...linked()].sort()).toEqual(digits.map(traceIdOf))
  })

  test('nothing that a caller or a secret says is in an export', async () => {
    const search = 'nobody-must-see-this'
    await get(`/admin/v1/projects?search=${search}`, {
      authorization: `Bearer ${tested.client.adminToken}`,
      traceparent: traceparentOf('c'),
      tracestate: `x=${search}`,
    })
    await send(traceparentOf('d'), [{ ...EVENT, event_id: search, value: '123456.789' }])
    await get(`/${search}`, { traceparent: traceparentOf('e') })
    await until('c', 'GET /admin/v1/projects')
    await until('d', 'POST /v1/events')
    await collector.until(({ traceId }) => traceId === traceIdOf('e'))
    const sent = collector.exports.map(({ body }) => body.toString('utf8')).join('\n')
    const hidden = [search, '123456.789', 'traced"', partner.partnerId, partner.secret, tested.client.adminToken, tested.client.ingestKey, 'SELECT']
    expect(hidden.filter((text) => sent.includes(text))).toEqual([])
  })

  test('a caller that does not trace is not traced, and a broken context begins a new trace', async () => {
    await usage(traceparentOf('f', '00'))
    for (const broken of ['garbage', `${traceparentOf('7')}-more`, `00-${'0'.repeat(32)}-${'7'.repeat(16)}-01`, 'x'.repeat(8_000)]) {
      const { headers, status } = await usage(broken)
      const id = headers.get('x-request-id')
      const span = await collector.until((each) => attributeOf(each, 'meterline.request_id') === id)
      expect([status, span.parentSpanId, span.traceId === traceIdOf('7')]).toEqual([200, undefined, false])
    }
    expect(ofTrace('f')).toEqual([])
  })

  test('a failed request has its code; supervisors and background work have no span', async () => {
    const { headers } = await get('/partnership/v1/nobody/usage', { 'x-partnership-secret': 'wrong' })
    const failed = await collector.until((each) => attributeOf(each, 'meterline.request_id') === headers.get('x-request-id'))
    expect([attributeOf(failed, 'error.type'), attributeOf(failed, 'http.response.status_code')]).toEqual(['UNAUTHENTICATED', '401'])
    for (const path of ['/healthz', '/readyz', '/metrics']) await get(path, { traceparent: traceparentOf('8') })
    await usage(traceparentOf('9'))
    await until('9', 'GET /partnership/v1/:partnerId/:projectId/usage')
    expect(ofTrace('8')).toEqual([])
    const known = new Set(collector.spans().map(({ spanId }) => spanId))
    const isOrphan = (span: CollectedSpan) => attributeOf(span, 'db.system.name') !== undefined && !known.has(span.parentSpanId ?? '')
    await untilSo(async () => !collector.spans().some(isOrphan))
  })

  test('the export has the name of the service and the headers of the configuration', async () => {
    await usage(traceparentOf('9'))
    await until('9', 'GET /partnership/v1/:partnerId/:projectId/usage')
    const [first] = collector.exports
    expect([first?.path, first?.headers['x-collector-key']]).toEqual(['/v1/traces', 'a key'])
    expect(first?.body.toString('utf8')).toContain('{"key":"service.name","value":{"stringValue":"usage"}}')
    expect(loadedSdk().length).toBeGreaterThan(0)
  })
})

test('a collector that does not answer delays neither requests nor the end of the process', async () => {
  const collector = await startTraceCollector({ hangs: true })
  const directory = makeTemporaryDirectory()
  const child = await startServiceProcess({ ...collector.variables, DATA_DIR: directory.path })
  // A machine that is busy while the process starts makes it answer 503 for a moment.
  const isAnswered = async () => (await fetch(`${child.url}/version`)).status === 200
  await untilSo(isAnswered)
  await untilSo(async () => collector.exports.length > 0)
  await untilSo(isAnswered)
  const startedMs = performance.now()
  expect(await child.stop()).toBe(0)
  expect(performance.now() - startedMs).toBeLessThan(EXPORT_MS_MAX)
  directory.remove()
  await collector.stop()
})
