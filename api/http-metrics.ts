import type { FastifyInstance } from 'fastify'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
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
  const registers = [register]
  const counter = (name: string, help: string, read: (current: IngestStats) => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset()
        this.inc(read(stats()))
      },
    })
  const gauge = (name: string, help: string, read: (current: IngestStats) => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read(stats()))
      },
    })
  counter('meterline_events_counted_total', 'Events counted by this process.', (now) => now.counted)
  counter('meterline_events_duplicate_total', 'Events that had been counted before.', (now) => now.duplicates)
  counter('meterline_batches_total', 'Batches sent to the store.', (now) => now.batches)
  counter('meterline_batch_seconds_total', 'Time spent on batches.', (now) => now.batchSeconds)
  counter('meterline_log_retakes_total', 'How often the log was taken anew after an error.', (now) => now.retakes)
  counter('meterline_rollup_repaired_keys_total', 'Keys of the rollup repaired while settling.', (now) => now.repairedKeys)
  gauge('meterline_batch_in_flight_seconds', 'How long the batch in flight has been under way.', (now) => now.batchInFlightSeconds)
  gauge('meterline_events_queued', 'Events waiting to be stored.', (now) => now.queuedEvents)
  gauge('meterline_filter_identities', 'Identities in the filter.', (now) => now.filterIdentities)
  gauge('meterline_filter_bytes', 'Memory of the filter.', (now) => now.filterBytes)
  gauge('meterline_filter_complete', '1 when the filter knows all of raw, else every event is looked up.', (now) => (now.filterComplete ? 1 : 0))
  gauge('meterline_watermark_seconds', 'Usage is complete up to this time, in seconds since 1970.', (now) => now.asOfMs / 1000)
  gauge('meterline_ready', '1 when events are accepted.', () => (readiness().ready ? 1 : 0))
  new Counter({
    name: 'meterline_events_rejected_total',
    help: 'Events refused, by reason.',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset()
      for (const [reason, count] of stats().rejectedByReason) this.inc({ reason }, count)
    },
  })
}
