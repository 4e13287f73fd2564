import type { Logger } from 'pino'
import type { ExportOptions } from './variables.ts'

/** Ended spans are exported at the end for at most this long, however slow the collector is. */
const FLUSH_MS_MAX = 1_000

/**
 * Traces requests and batches, and exports them. The packages of OpenTelemetry are loaded here and nowhere else: a service without
 * traces has nothing of them.
 */
export async function openTracing(options: ExportOptions, logger: Logger): Promise<{ close(): Promise<void> }> {
  const { recordSpans } = await import('./record-spans.ts')
  const { openTracer } = await import('./export-spans.ts')
  const { tracer, flush } = openTracer(options, logger)
  const stopRecording = recordSpans(tracer, logger)
  logger.info({ url: withoutCredentials(options.url), sampler: options.sampler }, 'requests and batches are traced')
  return {
    close: async () => {
      stopRecording()
      await atMost(FLUSH_MS_MAX, flush())
    },
  }
}

async function atMost(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const timeOut = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work, timeOut])
  clearTimeout(timer)
}

function withoutCredentials(text: string): string {
  const { origin, pathname } = new URL(text)
  return `${origin}${pathname}`
}
