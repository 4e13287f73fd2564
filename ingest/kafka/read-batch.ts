import { RepeatedTexts } from '../event/repeated-texts.ts'
import { BatchBytes, type BatchContext, BatchRecord } from './batch-record.ts'

/**
 * The records of an uncompressed batch of the present format (magic 2) of a producer without transactions, read without an object for each
 * of their parts. Undefined for any other batch and in any doubt, such as for a number of more than 28 bits, a length that does not fit,
 * or offsets that do not ascend: then kafkajs reads the batch, or says what is wrong with it.
 */
export function readPlainBatch(bytes: Buffer): BatchRecord[] | undefined {
  const attributes = bytes.readInt16BE(ATTRIBUTES_AT)
  if ((attributes & NOT_PLAIN) !== 0) return undefined
  const [first, count] = [safeInt64(bytes, FIRST_OFFSET_AT), bytes.readInt32BE(COUNT_AT)]
  const [firstMs, maxMs] = [safeInt64(bytes, FIRST_TIMESTAMP_AT), safeInt64(bytes, MAX_TIMESTAMP_AT)]
  if (first === undefined || firstMs === undefined || maxMs === undefined || count < 0) return undefined
  const context: BatchContext = {
    partitionLeaderEpoch: bytes.readInt32BE(LEADER_EPOCH_AT),
    producerId: String(bytes.readBigInt64BE(PRODUCER_ID_AT)),
    inTransaction: false,
  }
  return new RecordsReader(bytes, { first, firstMs, appendedMs: (attributes & LOG_APPEND_TIME) === 0 ? undefined : maxMs, context }).read(count)
}

interface Shared {
  /** The offset and the timestamp to which those of the records are relative. */
  readonly first: number
  readonly firstMs: number
  /** When the broker appended the batch, if that is the timestamp of all records. */
  readonly appendedMs: number | undefined
  readonly context: BatchContext
}

class RecordsReader {
  readonly #bytes: Buffer
  readonly #shared: Shared
  readonly #batch: BatchBytes
  #at = RECORDS_AT
  #last = Number.NEGATIVE_INFINITY
  /** Whether something was read that is left to kafkajs. */
  #inDoubt = false
  /** The headers of the record before, and where they are. */
  #headers: { readonly start: number; readonly end: number; readonly read: Record<string, unknown> | undefined } | undefined

  constructor(bytes: Buffer, shared: Shared) {
    this.#bytes = bytes
    this.#shared = shared
    this.#batch = new BatchBytes(bytes)
  }

  read(count: number): BatchRecord[] | undefined {
    const records: BatchRecord[] = []
    for (let index = 0; index < count; index += 1) {
      const record = this.#readRecord()
      if (record === undefined) return undefined
      records.push(record)
    }
    return records
  }

  #readRecord(): BatchRecord | undefined {
    const { first, firstMs, appendedMs, context } = this.#shared
    const end = this.#readNumber() + this.#at
    if (!(end <= this.#bytes.length)) return undefined
    this.#at += 1 // Attributes, which no version of Kafka uses.
    const timestampMs = firstMs + this.#readNumber()
    const offset = first + this.#readNumber()
    const keyBytes = this.#readLength()
    this.#at += Math.max(0, keyBytes)
    const valueBytes = this.#readLength()
    const valueStart = valueBytes === -1 ? -1 : this.#at
    this.#at += Math.max(0, valueBytes)
    const headers = this.#repeatedHeaders(end) ?? this.#newHeaders()
    if (this.#inDoubt || this.#at !== end || !(offset > this.#last) || !Number.isSafeInteger(offset) || !Number.isSafeInteger(timestampMs)) return undefined
    this.#last = offset
    const place = { offset, timestampMs: appendedMs ?? timestampMs, valueStart, valueEnd: valueStart + Math.max(0, valueBytes) }
    return new BatchRecord(place, headers, { batch: this.#batch, context })
  }

  /** Those of the record before, if this one has the same bytes: the records of one request have. They end with the record. */
  #repeatedHeaders(end: number): Record<string, unknown> | undefined {
    const before = this.#headers
    const start = this.#at
    if (before === undefined || before.end - before.start !== end - start) return undefined
    if (this.#bytes.compare(this.#bytes, before.start, before.end, start, end) !== 0) return undefined
    this.#at = end
    return before.read
  }

  #newHeaders(): Record<string, unknown> | undefined {
    const start = this.#at
    const read = this.#readHeaders(this.#readNumber())
    if (read !== undefined) this.#headers = { start, end: this.#at, read }
    return read
  }

  #readHeaders(count: number): Record<string, unknown> | undefined {
    if (count === 0) return undefined
    if (count < 0) this.#inDoubt = true
    const headers: Record<string, unknown> = {}
    for (let index = 0; index < count && !this.#inDoubt; index += 1) {
      const name = this.#readText()
      // Of headers with one name kafkajs makes a list, also of one that has the name of a property of all objects.
      if (typeof name !== 'string' || name in headers) this.#inDoubt = true
      else headers[name] = this.#readText()
    }
    return headers
  }

  /** A text of ASCII, other bytes, or null. */
  #readText(): string | Buffer | null {
    const length = this.#readLength()
    if (length === -1) return null
    const [bytes, start] = [this.#bytes, this.#at]
    this.#at += length
    if (!(this.#at <= bytes.length)) this.#inDoubt = true
    for (let at = start; at < this.#at && !this.#inDoubt; at += 1) if ((bytes[at] ?? 0) > ASCII_MAX) return bytes.subarray(start, this.#at)
    return length > REPEATED_CHARACTERS_MAX ? bytes.toString('latin1', start, this.#at) : texts.at(bytes, start, this.#at)
  }

  /** -1 for what is absent. */
  #readLength(): number {
    const length = this.#readNumber()
    if (length < -1) this.#inDoubt = true
    return Math.max(-1, length)
  }

  /** A number of at most 28 bits with its sign in the lowest one, as protocol buffers write it (zigzag). */
  #readNumber(): number {
    let written = 0
    for (let bits = 0; bits < NUMBER_BITS_MAX; bits += 7) {
      const byte = this.#bytes[this.#at] ?? 0
      this.#at += 1
      written |= (byte & 0x7f) << bits
      if (byte < 0x80) return (written >>> 1) ^ -(written & 1)
    }
    this.#inDoubt = true
    return 0
  }
}

/** An integer of 64 bits that a number can hold. */
function safeInt64(bytes: Buffer, at: number): number | undefined {
  const value = bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4)
  return Number.isSafeInteger(value) ? value : undefined
}

/** Where the fields of a batch begin. */
const [FIRST_OFFSET_AT, LEADER_EPOCH_AT, ATTRIBUTES_AT, FIRST_TIMESTAMP_AT, MAX_TIMESTAMP_AT, PRODUCER_ID_AT, COUNT_AT, RECORDS_AT] = [
  0, 12, 21, 27, 35, 43, 57, 61,
]
const LOG_APPEND_TIME = 0x08
/** A codec, a transaction, or control records. */
const NOT_PLAIN = 0x07 | 0x10 | 0x20
const NUMBER_BITS_MAX = 28
const ASCII_MAX = 0x7f
/** The names of headers, an ingest key, a time of receipt: the events of one request have the same. */
const texts = new RepeatedTexts()
const REPEATED_CHARACTERS_MAX = 64
