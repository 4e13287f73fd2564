import type { FastifyInstance } from 'fastify'
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { IngestStats, Readiness } from '../ingest/event-log.ts'

/** The Prometheus registry of this process. No label ever holds a partner or a project. */
declare module 'fastify' {
  interface FastifyInstance {
    metrics: Registry
  }
}

export function httpMetrics(app: FastifyInstance): void {
  const register = new Registry()
  collectDefaultMetrics({ register })
  const seconds = new Histogram({
    name: 'meterline_http_request_duration_seconds',
    help: 'Time to answer a request.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [register],
  })
  app.decorate('metrics', register)
  app.addHook('onResponse', async (request, reply) => {
    seconds.observe({ method: request.method, route: request.routeOptions.url ?? 'unknown', status: reply.statusCode }, reply.elapsedTime / 1000)
  })
}

/** Reads the event log's own counts whenever the metrics are asked for. */
export function eventLogMetrics(register: Registry, stats: () => IngestStats, readiness: () => Readiness): void {
  const single = (name: string, help: string, read: (current: IngestStats) => number) =>
    new Gauge({
      name,
      help,
      registers: [register],
      collect() {
        this.set(read(stats()))
      },
    })
  single('meterline_events_counted_total', 'Events counted by this process.', (now) => now.counted)
  single('meterline_events_duplicate_total', 'Events that had been counted before.', (now) => now.duplicates)
  single('meterline_batches_total', 'Batches sent to the store.', (now) => now.batches)
  single('meterline_batch_seconds_total', 'Time spent on batches.', (now) => now.batchSeconds)
  single('meterline_batch_in_flight_seconds', 'How long the batch in flight has been under way.', (now) => now.batchInFlightSeconds)
  single('meterline_log_retakes_total', 'How often the log was taken anew after an error.', (now) => now.retakes)
  single('meterline_rollup_repaired_keys_total', 'Keys of the rollup repaired while settling.', (now) => now.repairedKeys)
  single('meterline_events_queued', 'Events waiting to be stored.', (now) => now.queuedEvents)
  single('meterline_filter_identities', 'Identities in the filter.', (now) => now.filterIdentities)
  single('meterline_filter_bytes', 'Memory of the filter.', (now) => now.filterBytes)
  single('meterline_filter_complete', '1 when the filter knows all of raw, else every event is looked up.', (now) => (now.filterComplete ? 1 : 0))
  single('meterline_watermark_seconds', 'Usage is complete up to this time, in seconds since 1970.', (now) => now.asOfMs / 1000)
  new Gauge({
    name: 'meterline_ready',
    help: '1 when events are accepted.',
    registers: [register],
    collect() {
      this.set(readiness().ready ? 1 : 0)
    },
  })
  new Gauge({
    name: 'meterline_events_rejected_total',
    help: 'Events refused, by reason.',
    labelNames: ['reason'],
    registers: [register],
    collect() {
      for (const [reason, count] of stats().rejectedByReason) this.set({ reason }, count)
    },
  })
}
