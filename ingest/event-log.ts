import type { Judged } from './pipeline.ts'
import type { Verdict } from './tell-duplicates.ts'

/** Where the api hands events in. Two logs can stand behind it: `http` (the events are counted at once) and Kafka. */
export interface EventLog {
  /** Resolves when every event is durable, with one verdict for each, in order. Rejects with EventsUnavailable. */
  submit(submission: Submission): Promise<Verdict[]>
  readiness(): Readiness
  stats(): IngestStats
}

export interface Submission {
  readonly judged: readonly Judged[]
  readonly ingestKeyId: string
  readonly receivedMs: number
  /** Bytes of the body, for the limit on what waits in memory. */
  readonly bytes: number
}

export type Readiness = { ready: true } | { ready: false; reason: string }

export interface IngestStats {
  readonly counted: number
  readonly duplicates: number
  readonly rejectedByReason: ReadonlyMap<string, number>
  readonly batches: number
  readonly batchSeconds: number
  /** How long the batch in flight has been under way; 0 when there is none. */
  readonly batchInFlightSeconds: number
  readonly retakes: number
  readonly repairedKeys: number
  readonly queuedEvents: number
  readonly filterIdentities: number
  readonly filterBytes: number
  readonly filterComplete: boolean
  readonly asOfMs: number
}

/** Nothing of the request was acknowledged: send all of it again, nothing counts twice. */
export class EventsUnavailable extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'EventsUnavailable'
  }
}
