import type { Lease } from '../../sql/lease.ts'
import type { Judged } from '../event/pipeline.ts'
import type { Verdict } from './detect-duplicates.ts'

/** What a process tells of the logs it counts. */
export interface Ingesting {
  readiness(): Readiness
  stats(): IngestStats
}

/** Where the api hands events in. Two logs can stand behind it: `http` (the events are counted at once) and Kafka. */
export interface EventLog extends Ingesting {
  /** What a resolved submission means: every event is counted, or it is durable and will be. */
  readonly acknowledges: 'counted' | 'durable'
  /** Resolves when every event is durable, with one verdict for each, in order. Rejects with EventsUnavailable. */
  submit(submission: Submission): Promise<Verdict[]>
}

/**
 * Runs work while no batch of this process is in flight. `held` is the log that this process keeps meanwhile; undefined where
 * other processes write. Rejects with EventsUnavailable.
 */
export type BetweenBatches = <T>(work: (held: Lease | undefined) => Promise<T>) => Promise<T>

export interface Submission {
  readonly judged: readonly Judged[]
  readonly ingestKeyId: string
  readonly receivedMs: number
  /** Bytes of the body, for the limit on what waits in memory. */
  readonly bytes: number
}

export type Readiness = { ready: true } | { ready: false; reason: string }

export interface IngestStats {
  /** Waiting to be stored, or to be produced. */
  readonly queuedEvents: number
  readonly logs: readonly LogStats[]
  /** The brokers cannot be reached or read. */
  readonly kafkaTrouble: boolean
}

/** Counters are since the start of the process. */
export interface LogStats {
  readonly log: string
  /** False when the log was here before, and is another process's now. */
  readonly owned: boolean
  readonly counted: number
  readonly duplicates: number
  readonly rejectedByReason: ReadonlyMap<string, number>
  readonly passedOn: number
  readonly batches: number
  readonly batchSeconds: number
  /** How long the batch in flight has been under way; 0 when there is none. */
  readonly batchInFlightSeconds: number
  readonly retakes: number
  readonly repairedKeys: number
  readonly filterIdentities: number
  readonly filterBytes: number
  readonly filterComplete: boolean
  readonly filterFull: boolean
  readonly asOfMs: number
  /** Events in the log that are not settled yet. */
  readonly lagEvents: number
  readonly incident: string | undefined
}

/** Nothing of the request was acknowledged: send all of it again, nothing counts twice. */
export class EventsUnavailable extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'EventsUnavailable'
  }
}
