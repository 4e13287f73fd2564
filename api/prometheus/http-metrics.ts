import { totalmem } from 'node:os'
import type { FastifyInstance } from 'fastify'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Build } from '../../contract/health.ts'
import type { Ingesting, LogStats } from '../../ingest/log/event-log.ts'

/** The Prometheus registry of this process. No label ever holds a partner or a project. */
declare module 'fastify' {
  interface FastifyInstance {
    metrics: Registry
  }
}

export function httpMetrics(app: FastifyInstance, build: Build): void {
  const register = new Registry()
  collectDefaultMetrics({ register })
  new Gauge({
    name: 'meterline_build_info',
    help: 'Always 1. The labels are the version of this process and the git commit of its image, or "unknown".',
    labelNames: ['version', 'commit'],
    registers: [register],
  }).set({ version: build.version, commit: build.commit ?? 'unknown' }, 1)
  new Gauge({
    name: 'meterline_memory_limit_bytes',
    help: 'Memory that this process may use: the limit of its container, or the memory of the host.',
    registers: [register],
  }).set(memoryLimitBytes())
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

/** Without a limit of its own a process has that of its host, for which the kernel states a number beyond any memory, or 0. */
function memoryLimitBytes(): number {
  const constrained = process.constrainedMemory()
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
}

/** Reads the counters whenever the metrics are requested. A log is `http`, or cluster/topic/incarnation/partition. */
export function ingestMetrics(register: Registry, ingesting: Ingesting): void {
  const [stats, readiness] = [() => ingesting.stats(), () => ingesting.readiness()]
  const registers = [register]
  const labelNames = ['log']
  const counter = (name: string, help: string, read: (log: LogStats) => number) =>
    new Counter({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset()
        for (const log of stats().logs) this.inc({ log: log.log }, read(log))
      },
    })
  /** Only for logs that this process owns now: it does not know the state of others. */
  const gauge = (name: string, help: string, read: (log: LogStats) => number) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset()
        for (const log of stats().logs) if (log.owned) this.set({ log: log.log }, read(log))
      },
    })
  const whole = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  counter('meterline_events_counted_total', 'Events counted by this process.', (log) => log.counted)
  counter('meterline_events_duplicate_total', 'Events that had been counted before.', (log) => log.duplicates)
  counter('meterline_events_passed_on_total', 'Misrouted events, copied to their own partition.', (log) => log.forwarded)
  counter('meterline_batches_total', 'Batches sent to the store.', (log) => log.batches)
  counter('meterline_batch_seconds_total', 'Time spent on batches.', (log) => log.batchSeconds)
  counter('meterline_log_retakes_total', 'How often the lease of the log was acquired again after an error.', (log) => log.reacquisitions)
  counter('meterline_rollup_repaired_keys_total', 'Keys of the rollup repaired while reconciling or on request of an audit.', (log) => log.repairedKeys)
  gauge('meterline_batch_in_flight_seconds', 'Age of the batch in flight.', (log) => log.batchInFlightSeconds)
  gauge('meterline_filter_identities', 'Identities in the filter.', (log) => log.filterIdentities)
  gauge('meterline_filter_bytes', 'Memory of the filter.', (log) => log.filterBytes)
  gauge('meterline_filter_complete', '1 if the filter knows all stored identities; otherwise every event is looked up.', (log) => Number(log.filterComplete))
  gauge('meterline_filter_full', '1 if the filter has reached its memory limit: every event is looked up. Add processes.', (log) => Number(log.filterFull))
  gauge('meterline_watermark_seconds', 'Usage is complete up to this time, in seconds since 1970.', (log) => log.asOfMs / 1000)
  gauge('meterline_log_lag_events', 'Events in the log that are not counted yet.', (log) => log.lagEvents)
  gauge(
    'meterline_log_open_transaction_seconds',
    "How long a producer's open transaction has kept the log from being read to its end.",
    (log) => log.openTransactionSeconds,
  )
  whole('meterline_events_queued', 'Events waiting to be stored or produced.', () => stats().queuedEvents)
  whole('meterline_kafka_trouble', '1 while the brokers cannot be reached or read.', () => Number(stats().kafkaTrouble))
  whole('meterline_ready', '1 if events are accepted and counted.', () => Number(readiness().ready))
  new Gauge({
    name: 'meterline_log_incident',
    help: '1 while a log is stopped by an incident that an operator must resolve, by kind.',
    labelNames: ['log', 'kind'],
    registers,
    collect() {
      this.reset()
      for (const { log, incident } of stats().logs) if (incident !== undefined) this.set({ log, kind: incident }, 1)
    },
  })
  new Counter({
    name: 'meterline_events_rejected_total',
    help: 'Rejected events, by reason.',
    labelNames: ['log', 'reason'],
    registers,
    collect() {
      this.reset()
      for (const { log, rejectedByReason } of stats().logs) for (const [reason, count] of rejectedByReason) this.inc({ log, reason }, count)
    },
  })
}
