import { AsyncLocalStorage } from 'node:async_hooks'
import { type TracingChannel, tracingChannel } from 'node:diagnostics_channel'
import { type Link, ROOT_CONTEXT, type Span, type SpanContext, SpanKind, SpanStatusCode, TraceFlags, type Tracer, trace } from '@opentelemetry/api'
import { parseTraceParent } from '@opentelemetry/core'
import type { Logger } from 'pino'
import { REQUEST_CHANNEL, type TracedRequest } from '../../api/http/trace-requests.ts'
import { BATCH_CHANNEL, type TracedBatch } from '../../ingest/log/trace-batch.ts'
import { STATEMENT_CHANNEL, type TracedStatement } from '../../sql/clickhouse.ts'

/** A batch may have 50,000 records, each of a trace of its own. */
export const LINKS_MAX = 64

/**
 * Makes spans of what the modules report: a request, the batch of its events, and every statement to ClickHouse that one of these
 * causes. Attributes are names, patterns and counts: no id, no text of a caller, no SQL. Returns a function that stops it.
 */
export function recordSpans(tracer: Tracer, logger: Logger): () => void {
  const current = new AsyncLocalStorage<Span | undefined>()
  const listen = <T extends object>(name: string, recorder: Recorder<T>) => record(tracingChannel<unknown, T>(name), { current, recorder, logger })
  const stops = [
    listen<TracedRequest>(REQUEST_CHANNEL, { start: (request) => startRequest(tracer, request), end: endRequest }),
    listen<TracedBatch>(BATCH_CHANNEL, { start: (batch) => startBatch(tracer, batch), end: () => {} }),
    listen<TracedStatement>(STATEMENT_CHANNEL, { start: (statement) => startStatement(tracer, statement, current.getStore()), end: () => {} }),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}

interface Recorder<T> {
  readonly start: (message: T) => Span | undefined
  /** Completes the span before it ends. */
  readonly end: (message: T, span: Span) => void
}

interface Recording<T> {
  readonly current: AsyncLocalStorage<Span | undefined>
  readonly recorder: Recorder<T>
  readonly logger: Logger
}

/** The span is the current one for everything that runs between the start and the end. */
function record<T extends object>(channel: TracingChannel<unknown, T>, { current, recorder, logger }: Recording<T>): () => void {
  const spans = new WeakMap<object, Span>()
  const begin = (message: T) => {
    if (!spans.has(message)) {
      const span = recorder.start(message)
      if (span !== undefined) spans.set(message, span)
    }
    return spans.get(message) ?? current.getStore()
  }
  // What a listener throws would end the process.
  const guard = <R>(listener: (message: T) => R) => {
    return (message: unknown) => {
      try {
        return listener(message as T)
      } catch (error) {
        logger.error({ err: error }, 'a span could not be recorded')
        return undefined
      }
    }
  }
  const [onStart, onError, onEnd] = [
    guard(begin),
    guard((message) => {
      const { error } = message as T & { error?: unknown }
      spans.get(message)?.setAttribute('error.type', error instanceof Error ? error.name : 'unknown')
      spans.get(message)?.setStatus({ code: SpanStatusCode.ERROR })
    }),
    guard((message) => {
      const span = spans.get(message)
      if (span === undefined) return
      recorder.end(message, span)
      span.end()
    }),
  ]
  channel.start.bindStore(current as AsyncLocalStorage<unknown>, onStart)
  // Streams publish their start, which no store is bound to.
  channel.start.subscribe(onStart)
  channel.error.subscribe(onError)
  channel.asyncEnd.subscribe(onEnd)
  return () => {
    channel.start.unbindStore(current)
    channel.start.unsubscribe(onStart)
    channel.error.unsubscribe(onError)
    channel.asyncEnd.unsubscribe(onEnd)
  }
}

function startRequest(tracer: Tracer, request: TracedRequest): Span {
  const sent = parse(request.sentTraceparent)
  const attributes = { 'http.request.method': request.method, 'meterline.request_id': request.requestId }
  const span = tracer.startSpan(request.method, { kind: SpanKind.SERVER, attributes }, contextOf(sent && { ...sent, isRemote: true }))
  request.traceparent = format(span.spanContext())
  return span
}

function endRequest({ method, route, status = 0, code }: TracedRequest, span: Span): void {
  span.setAttribute('http.response.status_code', status)
  if (code !== undefined) span.setAttribute('error.type', code)
  if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
  if (route === undefined) return
  span.updateName(`${method} ${route}`)
  span.setAttribute('http.route', route)
}

/**
 * The batch of requests belongs to the trace of the first one, so that a lone request is one trace down to its statements. One of
 * records is a trace of its own, because their contexts come from anybody. It has links to all others, up to LINKS_MAX.
 */
function startBatch(tracer: Tracer, { log, source, events, traceparents }: TracedBatch): Span {
  const contexts = distinct(traceparents())
  const parent = source === 'requests' ? (contexts.find(isSampled) ?? contexts[0]) : undefined
  const links: Link[] = contexts.filter((each) => each !== parent).map((context) => ({ context }))
  const attributes = { 'meterline.log': log, 'meterline.events': events, ...(source === 'records' ? { 'messaging.system': 'kafka' } : {}) }
  const kind = source === 'records' ? SpanKind.CONSUMER : SpanKind.INTERNAL
  return tracer.startSpan('count batch', { kind, attributes, links }, contextOf(parent))
}

/**
 * Only below a request or a batch: background work has no trace. Work that a request began and that outlives it, such as a refresh
 * that others share, does not belong to it either, and its trace would never end.
 */
function startStatement(tracer: Tracer, { operation, name }: TracedStatement, parent: Span | undefined): Span | undefined {
  if (parent?.isRecording() !== true) return undefined
  const attributes = { 'db.system.name': 'clickhouse', 'db.operation.name': operation, ...(name === undefined ? {} : { 'db.query.summary': name }) }
  return tracer.startSpan(name === undefined ? operation : `${operation} ${name}`, { kind: SpanKind.CLIENT, attributes }, trace.setSpan(ROOT_CONTEXT, parent))
}

/** The first LINKS_MAX different ones that are valid. */
function distinct(traceparents: Iterable<string>): SpanContext[] {
  const found = new Map<string, SpanContext>()
  let last: string | undefined
  for (const text of traceparents) {
    // The events of one request come one after another.
    if (text === last) continue
    last = text
    const context = found.has(text) ? undefined : parse(text)
    if (context !== undefined) found.set(text, context)
    if (found.size === LINKS_MAX) break
  }
  return [...found.values()]
}

function contextOf(parent: SpanContext | undefined) {
  return parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent)
}

/** Of the flags only one has a meaning. The state of other vendors (`tracestate`) is text of the caller and left out. */
function parse(traceparent: string | undefined): SpanContext | undefined {
  const parsed = traceparent === undefined ? null : parseTraceParent(traceparent)
  return parsed === null ? undefined : { ...parsed, traceFlags: parsed.traceFlags & TraceFlags.SAMPLED }
}

function format({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-0${traceFlags & TraceFlags.SAMPLED}`
}

function isSampled({ traceFlags }: SpanContext): boolean {
  return (traceFlags & TraceFlags.SAMPLED) !== 0
}
