import { measureApi } from './api.ts'
import { measureAutomation } from './automation.ts'
import { measureCorrections } from './corrections.ts'
import { measureDashboard } from './dashboard.ts'
import { measureEmitter } from './emitter.ts'
import { measureHostile } from './hostile.ts'
import { measureHttp } from './http.ts'
import { measureIdentities } from './identities.ts'
import { measureIngest } from './ingest.ts'
import { measurePeers } from './peers/peers.ts'
import { measureRegistry } from './registry.ts'
import type { Measurement } from './report.ts'
import { measureShards } from './shards/shards.ts'
import { measureSoak } from './soak.ts'
import { measureTotals } from './totals.ts'

export interface NamedMeasurement {
  readonly what: string
  readonly measure: Measurement
  /** The number of events in a small run; without it, the measurement knows what is small. */
  readonly smallEvents?: number
}

/** All measurements. Each starts what it needs, stops it at the end and cleans up. */
export const MEASUREMENTS: Readonly<Record<string, NamedMeasurement>> = {
  api: { what: 'requests per second and latency of reads, compared with /healthz; the time that the api adds to its queries', measure: measureApi },
  automation: { what: 'how soon one of 10,000 thresholds is noticed, what that costs, and ingestion beside it', measure: measureAutomation },
  corrections: {
    what: 'usage without corrections, compared with a query that knows none; how soon a voided peak is visible',
    measure: measureCorrections,
    smallEvents: 100_000,
  },
  dashboard: { what: 'sizes of the dashboard, the time to its first number, and how long interactions take, with 10,000 projects', measure: measureDashboard },
  emitter: {
    what: 'events per second through the emitter SDK, compared with a bare HTTP client; CPU per event; sizes of its bundles',
    measure: measureEmitter,
    smallEvents: 10_000,
  },
  hostile: { what: 'how long the most expensive requests of one emitter hold up everybody else', measure: measureHostile },
  http: { what: 'events per second over HTTP, compared with baseline inserts; usage latency; memory', measure: measureHttp },
  identities: {
    what: 'look-ups of identities among 2, 20 and 50 million events, the filter, a start, reconciling, and the price of the index',
    measure: measureIdentities,
    smallEvents: 300_000,
  },
  ingest: {
    what: "events per second from Kafka, compared with ClickHouse's Kafka engine; duplicates; recovery after a kill; latency",
    measure: measureIngest,
    smallEvents: 600_000,
  },
  peers: {
    what: 'answers, ingestion and bytes on disk beside other ways to store usage events, on the same engine, data and machine',
    measure: measurePeers,
    smallEvents: 200_000,
  },
  registry: { what: 'projects registered per second, singly and in bulk, without projects and with 100,000', measure: measureRegistry },
  shards: {
    what: 'the same events and answers with one server, two and three shards: CPU per event, latency, closing, bytes between servers',
    measure: measureShards,
    smallEvents: 100_000,
  },
  soak: {
    what: 'millions of events with restarts and redeliveries: whether the end is as fast as the start, and what grows',
    measure: measureSoak,
    smallEvents: 300_000,
  },
  totals: {
    what: 'partnership usage compared with the plain computation, audit, closing and exports, for 20,000 projects',
    measure: measureTotals,
    smallEvents: 1_000_000,
  },
}
