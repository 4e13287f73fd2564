import type { Tracer } from '@opentelemetry/api'
import { ExportResultCode } from '@opentelemetry/core'
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { Logger } from 'pino'
import type { ExportOptions } from './variables.ts'

/** Spans that wait for an export. Further ones are dropped, so a collector that is slow or away costs this much memory and no time. */
const SPANS_WAITING_MAX = 2_048
/** One export holds the event loop for as long as it takes to serialize this many spans. */
const SPANS_PER_EXPORT_MAX = 256
const REPORT_FAILURES_EVERY_MS = 60_000

/** Nothing is registered globally, so that several services in one process do not trace each other. `flush` never rejects. */
export function openTracer(options: ExportOptions, logger: Logger): { readonly tracer: Tracer; flush(): Promise<void> } {
  const { url, headers, protocol, exportEveryMs, attributes } = options
  const exporter = protocol === 'http/json' ? new JsonExporter({ url, headers }) : new ProtobufExporter({ url, headers })
  const provider = new TracerProvider({
    resource: defaultResource().merge(resourceFromAttributes(attributes)),
    sampler: samplerOf(options),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: reportFailures(exporter, logger),
        maxQueueSize: SPANS_WAITING_MAX,
        maxExportBatchSize: SPANS_PER_EXPORT_MAX,
        scheduledDelayMillis: exportEveryMs,
      }),
    ],
  })
  return { tracer: provider.getTracer('meterline'), flush: () => provider.shutdown().catch(() => {}) }
}

/** The flag of a caller is followed only where it saves work. A trace that it asks for is sampled like one of our own. */
function samplerOf({ sampler, ratio }: ExportOptions): Sampler {
  const decides = sampler.replace('parentbased_', '')
  const root = decides === 'always_on' ? new AlwaysOnSampler() : decides === 'always_off' ? new AlwaysOffSampler() : new TraceIdRatioBasedSampler(ratio)
  return decides === sampler ? root : new ParentBasedSampler({ root, remoteParentSampled: root })
}

/** The packages report nothing themselves. Spans that could not be exported are gone, and nothing else depends on them. */
function reportFailures(exporter: SpanExporter, logger: Logger): SpanExporter {
  let lost = 0
  let reportedMs = Number.NEGATIVE_INFINITY
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        if (result.code !== ExportResultCode.SUCCESS) {
          lost += spans.length
          if (performance.now() - reportedMs > REPORT_FAILURES_EVERY_MS) {
            logger.warn({ spans: lost, reason: result.error?.message }, 'the collector did not accept spans; they are dropped')
            reportedMs = performance.now()
            lost = 0
          }
        }
        done(result)
      }),
    shutdown: () => exporter.shutdown(),
  }
}
