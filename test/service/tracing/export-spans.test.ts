import { tracingChannel } from 'node:diagnostics_channel'
import { ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { REQUEST_CHANNEL, type TracedRequest } from '../../../api/http/trace-requests.ts'
import { readConfig } from '../../../service/config.ts'
import { openTracer } from '../../../service/tracing/export-spans.ts'
import { openTracing } from '../../../service/tracing/open-tracing.ts'
import { exportOptionsOf } from '../../../service/tracing/variables.ts'
import { startTraceCollector } from '../../support/clients/trace-collector.ts'

const silent = pino({ level: 'silent' })
const TRACE_ID = 'ab'.repeat(16)

function optionsOf(environment: Record<string, string>) {
  const options = exportOptionsOf(readConfig(environment))
  if (options === undefined) throw new Error('Traces are off.')
  return options
}

/** The context that a caller sends with every request, to have it traced. */
function remote(isSampled: boolean) {
  return trace.setSpanContext(ROOT_CONTEXT, { traceId: TRACE_ID, spanId: 'cd'.repeat(8), traceFlags: isSampled ? 1 : 0, isRemote: true })
}

test('traces are on with an endpoint or the exporter, and off without both or when they are disabled', () => {
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector.example:4318/base/' }
  const urlOf = (environment: Record<string, string>) => exportOptionsOf(readConfig(environment))?.url
  expect(urlOf(endpoint)).toBe('https://collector.example:4318/base/v1/traces')
  expect(urlOf({ ...endpoint, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://other/traces' })).toBe('http://other/traces')
  expect(urlOf({ OTEL_TRACES_EXPORTER: 'otlp' })).toBe('http://localhost:4318/v1/traces')
  expect([urlOf({}), urlOf({ ...endpoint, OTEL_TRACES_EXPORTER: 'none' }), urlOf({ ...endpoint, OTEL_SDK_DISABLED: 'true' })]).toEqual([
    undefined,
    undefined,
    undefined,
  ])
})

test('a variable of OpenTelemetry that cannot be followed is an error that says what it may be', () => {
  const errorOf = (environment: Record<string, string>) => {
    try {
      readConfig(environment)
    } catch (error) {
      return String(error)
    }
    return ''
  }
  expect(errorOf({ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' })).toContain('OTEL_EXPORTER_OTLP_PROTOCOL: must be one of http/protobuf, http/json')
  expect(errorOf({ OTEL_TRACES_SAMPLER: 'jaeger_remote' })).toContain('OTEL_TRACES_SAMPLER: must be one of always_on')
  expect(errorOf({ OTEL_TRACES_SAMPLER_ARG: '1.5' })).toContain('OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1')
  expect(errorOf({ OTEL_EXPORTER_OTLP_HEADERS: 'secret' })).toMatch(/OTEL_EXPORTER_OTLP_HEADERS: must be a list of name=value(?!.*secret)/)
})

test('OTEL_SERVICE_NAME comes before the name in OTEL_RESOURCE_ATTRIBUTES', () => {
  const given = { OTEL_TRACES_EXPORTER: 'otlp', OTEL_RESOURCE_ATTRIBUTES: 'service.name=one,deployment.environment.name=a%20b' }
  expect(optionsOf(given).attributes).toEqual({ 'service.name': 'one', 'deployment.environment.name': 'a b' })
  expect(optionsOf({ ...given, OTEL_SERVICE_NAME: 'two' }).attributes['service.name']).toBe('two')
  expect(optionsOf({ OTEL_TRACES_EXPORTER: 'otlp' }).attributes).toEqual({ 'service.name': 'meterline' })
})

test('by default spans are exported as protobuf, with the headers of the configuration', async () => {
  const collector = await startTraceCollector()
  const { tracer, flush } = openTracer(optionsOf({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_HEADERS: 'x-key=a%20key' }), silent)
  tracer.startSpan('one', {}, remote(true)).end()
  await flush()
  const [first] = collector.exports
  expect([first?.path, first?.headers['content-type'], first?.headers['x-key']]).toEqual(['/v1/traces', 'application/x-protobuf', 'a key'])
  expect(first?.body.includes(Buffer.from(TRACE_ID, 'hex'))).toBe(true)
  await collector.stop()
})

test('the flag of a caller forces no trace, and one that does not trace is not traced by samplers that ask for its parent', async () => {
  const isTraced = async (OTEL_TRACES_SAMPLER: string, OTEL_TRACES_SAMPLER_ARG: string) => {
    const { tracer, flush } = openTracer(optionsOf({ OTEL_TRACES_EXPORTER: 'otlp', OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG }), silent)
    const traced = [remote(true), remote(false)].map((context) => tracer.startSpan('one', {}, context).isRecording())
    await flush()
    return traced
  }
  expect(await isTraced('parentbased_always_on', '1')).toEqual([true, false])
  expect(await isTraced('parentbased_traceidratio', '0')).toEqual([false, false])
  expect(await isTraced('parentbased_always_off', '1')).toEqual([false, false])
  expect(await isTraced('always_on', '1')).toEqual([true, true])
})

test('what a collector does not accept is logged once a minute, without the text of its answer', async () => {
  const collector = await startTraceCollector({ status: 400 })
  const lines: string[] = []
  const { tracer, flush } = openTracer(optionsOf(collector.variables), pino({ level: 'warn' }, { write: (line: string) => lines.push(line) }))
  for (let count = 0; count < 600; count += 1) tracer.startSpan('lost').end()
  await flush()
  expect(collector.exports.length).toBeGreaterThan(1)
  const reported = { msg: 'the collector did not accept spans; they are dropped', reason: 'Bad Request', spans: expect.any(Number) }
  expect(lines.map((line) => JSON.parse(line))).toEqual([expect.objectContaining(reported)])
  await collector.stop()
})

test('a collector that hangs is not waited for at the end', async () => {
  const collector = await startTraceCollector({ hangs: true })
  const tracing = await openTracing({ ...optionsOf(collector.variables), exportEveryMs: 3_600_000 }, silent)
  const requests = tracingChannel<unknown, TracedRequest>(REQUEST_CHANNEL)
  const request: TracedRequest = { method: 'GET', requestId: '1', sentTraceparent: undefined }
  requests.start.runStores(request, () => {})
  requests.asyncEnd.publish(request)
  const startedMs = performance.now()
  await tracing.close()
  // The exporter itself waits for ten seconds.
  expect(performance.now() - startedMs).toBeLessThan(5_000)
  expect(collector.exports.length).toBe(1)
  await collector.stop()
})
