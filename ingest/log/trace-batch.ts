import { tracingChannel } from 'node:diagnostics_channel'

/** The tracing channel (node:diagnostics_channel) that reports each batch that is written, in whose context its statements run. */
export const BATCH_CHANNEL = 'meterline:batch'

export interface TracedBatch {
  readonly log: string
  /** What a batch is made of: requests of this process, which wait for it, or records of a topic, whose producers do not. */
  readonly source: 'requests' | 'records'
  readonly events: number
  /** The trace contexts (W3C `traceparent`) of what it is made of. Those of records are unchecked: anybody may have produced them. */
  readonly traceparents: () => Iterable<string>
}

const batches = tracingChannel<unknown, TracedBatch>(BATCH_CHANNEL)

/** Whether the trace contexts of records are of use. Looking for one costs time for each record. */
export function areBatchesTraced(): boolean {
  return batches.start.hasSubscribers
}

export function traceBatch<T>(batch: TracedBatch, work: () => Promise<T>): Promise<T> {
  return areBatchesTraced() ? batches.tracePromise(work, batch) : work()
}
