import type { ValidatedEvent } from '../event/pipeline.ts'
import type { Verdict } from './detect-duplicates.ts'

/** The state of the logs that a process counts. */
export interface Ingesting {
  readiness(): Readiness
  stats(): IngestStats
}

/** Where the api hands events in. There are two implementations: the log `http`, which counts them before it answers, and Kafka. */
export interface EventLog extends Ingesting {
  /** What a resolved submission means: every event is counted, or every event is durable and will be counted. */
  readonly acknowledges: 'counted' | 'durable'
  /** Resolves when every event is durable, with one verdict for each, in order. Rejects with EventsUnavailable. */
  submit(submission: Submission): Promise<Verdict[]>
}

export interface Submission {
  readonly validated: readonly ValidatedEvent[]
  readonly ingestKeyId: string
  readonly receivedMs: number
  /** Bytes of the body; the queue in memory is limited by them. */
  readonly bytes: number
  /** The trace context (W3C `traceparent`) of the request, while requests are traced. */
  readonly traceparent?: string | undefined
}

export type Readiness = { ready: true } | { ready: false; reason: string }

export interface IngestStats {
  /** Events that wait to be stored or produced. */
  readonly queuedEvents: number
  readonly logs: readonly LogStats[]
  /** True while the brokers cannot be reached or read. */
  readonly kafkaTrouble: boolean
}

/** Counters start at 0 with the process. */
export interface LogStats {
  readonly log: string
  /** False when this process had the log before and another process has it now. */
  readonly owned: boolean
  readonly counted: number
  readonly duplicates: number
  readonly rejectedByReason: ReadonlyMap<string, number>
  /** Misrouted events that were copied to their project's own partition. */
  readonly forwarded: number
  readonly batches: number
  readonly batchSeconds: number
  /** How long the batch in flight has been running; 0 when there is none. */
  readonly batchInFlightSeconds: number
  /** How often the lease was acquired again after an error. */
  readonly reacquisitions: number
  readonly repairedKeys: number
  readonly filterIdentities: number
  readonly filterBytes: number
  readonly filterComplete: boolean
  readonly filterFull: boolean
  readonly asOfMs: number
  /** Events in the log that are not settled yet. */
  readonly lagEvents: number
  /** How long a transaction of a producer has kept the log from being read to its end; 0 when there is none. */
  readonly openTransactionSeconds: number
  readonly incident: string | undefined
}

/** Nothing of the request was acknowledged. The sender sends all of it again; nothing counts twice. */
export class EventsUnavailable extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'EventsUnavailable'
  }
}
