import { untilSo } from '../until-so.ts'
import { type ReceivedRequest, startWebhookReceiver } from './webhook-receiver.ts'

/** A span as OTLP has it in JSON. */
export interface CollectedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[]
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[]
  readonly status: { readonly code?: number }
}

export interface TraceCollector {
  readonly url: string
  /** The variables with which a service exports to it. */
  readonly variables: Readonly<Record<string, string>>
  /** Every request, as it arrived. */
  readonly exports: readonly ReceivedRequest[]
  /** The spans of the requests in JSON. */
  spans(): CollectedSpan[]
  /** Waits for a span. */
  until(matches: (span: CollectedSpan) => boolean): Promise<CollectedSpan>
  stop(): Promise<unknown>
}

/** A collector that receives OTLP over HTTP. One that hangs answers nothing; `status` is what others answer. */
export async function startTraceCollector({ hangs = false, status = 200 } = {}): Promise<TraceCollector> {
  const {
    requests: exports,
    port,
    stop,
  } = await startWebhookReceiver((_, response) => {
    if (!hangs) response.writeHead(status, { 'content-type': 'application/json' }).end('{}')
  })
  const url = `http://127.0.0.1:${port}`
  const spans = () => exports.filter(({ headers }) => headers['content-type'] === 'application/json').flatMap(({ body }) => spansOf(body))
  return {
    url,
    variables: { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_BSP_SCHEDULE_DELAY: '20' },
    exports,
    spans,
    until: async (matches) => {
      await untilSo(async () => spans().some(matches))
      return spans().find(matches) as CollectedSpan
    },
    stop,
  }
}

function spansOf(body: Buffer): CollectedSpan[] {
  const { resourceSpans } = JSON.parse(body.toString('utf8')) as { resourceSpans: { scopeSpans: { spans: CollectedSpan[] }[] }[] }
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
}

/** The value of an attribute, as text. */
export function attributeOf({ attributes }: CollectedSpan, name: string): string | undefined {
  const value = attributes.find(({ key }) => key === name)?.value
  return value === undefined ? undefined : String(Object.values(value)[0])
}
