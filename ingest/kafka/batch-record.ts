import type { FetchedRecord } from './topic.ts'

/** The bytes of a batch, and the same as text with one character for each byte, which is made once for all records. */
export class BatchBytes {
  readonly bytes: Buffer
  #text: string | undefined

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  get text(): string {
    this.#text ??= this.bytes.toString('latin1')
    return this.#text
  }
}

/** What the records of one batch share. */
export interface BatchContext {
  readonly partitionLeaderEpoch: number
  readonly producerId: string
  readonly inTransaction: boolean
}

/** A record within the bytes of its batch. Nothing of it is cut out before it is needed: there are 100,000 a second of them. */
export class BatchRecord implements FetchedRecord {
  readonly offsetNumber: number
  readonly timestampMs: number
  readonly batch: BatchBytes
  /** -1 without a value. */
  readonly valueStart: number
  readonly valueEnd: number
  /** Undefined without any. */
  readonly headers: Readonly<Record<string, unknown>> | undefined
  readonly batchContext: BatchContext
  isControlRecord = false

  constructor(
    place: { readonly offset: number; readonly timestampMs: number; readonly valueStart: number; readonly valueEnd: number },
    headers: Readonly<Record<string, unknown>> | undefined,
    { batch, context }: { readonly batch: BatchBytes; readonly context: BatchContext },
  ) {
    this.offsetNumber = place.offset
    this.timestampMs = place.timestampMs
    this.batch = batch
    this.valueStart = place.valueStart
    this.valueEnd = place.valueEnd
    this.headers = headers
    this.batchContext = context
  }

  get offset(): string {
    return String(this.offsetNumber)
  }

  get timestamp(): string {
    return String(this.timestampMs)
  }

  get value(): Buffer | null {
    return this.valueStart === -1 ? null : this.batch.bytes.subarray(this.valueStart, this.valueEnd)
  }
}

/** The size of a record's value. */
export function valueBytesOf(record: FetchedRecord): number {
  if (record instanceof BatchRecord) return Math.max(0, record.valueEnd - record.valueStart)
  return record.value?.length ?? 0
}

/** All records of a partition in one fetch, as one message for kafkajs, which does some work for each message. It stands for its last record. */
export class FetchedRecords {
  readonly records: readonly BatchRecord[]
  readonly value = null
  readonly isControlRecord = false
  readonly timestamp = '0'
  readonly offset: string

  constructor(records: readonly BatchRecord[]) {
    this.records = records
    this.offset = records.at(-1)?.offset ?? '-1'
  }
}
