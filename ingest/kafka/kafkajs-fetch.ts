import Decoder from 'kafkajs/src/protocol/decoder.js'
import readMessageSet from 'kafkajs/src/protocol/messageSet/decoder.js'
import readRecordBatch from 'kafkajs/src/protocol/recordBatch/v0/decoder.js'
import response from 'kafkajs/src/protocol/requests/fetch/v11/response.js'
import { NotUnpacked } from '../event/unpack.ts'
import { BatchRecord, FetchedRecords } from './batch-record.ts'
import { BATCH_UNPACKED_BYTES_MAX, unpackedBytes } from './codecs.ts'
import { markAborted } from './kafkajs-aborted.ts'
import { readPlainBatch } from './read-batch.ts'

/** 64 MiB of the smallest events are fewer. Each takes some hundred bytes of memory, and a few kilobytes can be made that unpack to millions. */
export const BATCH_RECORDS_MAX = 700_000

/**
 * kafkajs fails a whole fetch, of all partitions, because of one batch that cannot be read: too large, damaged, or of an unknown codec. Here
 * such a batch becomes one record that is `unreadable`, so only its partition stops. It applies to the version of the request that
 * kafkajs uses with Kafka 2.3 and later. kafkajs has no setting for it.
 */
export function readPartitionsSeparately(): void {
  response.decode = async (bytes) => {
    const decoder = new Decoder(bytes)
    const [clientSideThrottleTime, errorCode, sessionId] = [decoder.readInt32(), decoder.readInt16(), decoder.readInt32()]
    const responses = await decoder.readArrayAsync(async () => ({
      topicName: decoder.readString(),
      partitions: await decoder.readArrayAsync(() => readPartition(decoder)),
    }))
    // As kafkajs does: the broker leaves it to the client to wait.
    return { throttleTime: 0, clientSideThrottleTime, errorCode, sessionId, responses }
  }
}

async function readPartition(decoder: Decoder): Promise<response.FetchedPartition> {
  const header = {
    partition: decoder.readInt32(),
    errorCode: decoder.readInt16(),
    highWatermark: decoder.readInt64().toString(),
    lastStableOffset: decoder.readInt64().toString(),
    lastStartOffset: decoder.readInt64().toString(),
    abortedTransactions: decoder.readArray(() => ({ producerId: decoder.readInt64().toString(), firstOffset: decoder.readInt64().toString() })),
    preferredReadReplica: decoder.readInt32(),
  }
  const fetched = { ...header, messages: await readBatches(decoder.readBytes() ?? NOTHING) }
  markAborted(fetched)
  return { ...fetched, messages: gather(fetched.messages) }
}

/**
 * Records that kafkajs need not separate: none of them is a control record or of a transaction. Only the reader of this module can take them
 * apart again (kafkajs-reader.ts), so no other consumer may run in this process.
 */
function gather(messages: readonly response.FetchedMessage[]): readonly response.FetchedMessage[] {
  const records = messages.filter((message) => message instanceof BatchRecord)
  return records.length > 0 && records.length === messages.length ? [new FetchedRecords(records)] : messages
}

const NOTHING = Buffer.alloc(0)

/** Reads whole batches up to about BATCH_UNPACKED_BYTES_MAX. What follows is fetched again, and the last batch is often cut. */
export async function readBatches(bytes: Buffer): Promise<response.FetchedMessage[]> {
  const messages: response.FetchedMessage[] = []
  const unpackedBefore = unpackedBytes()
  for (let at = 0; at + BATCH.magic < bytes.length && unpackedBytes() - unpackedBefore <= BATCH_UNPACKED_BYTES_MAX; ) {
    const end = at + BATCH.leaderEpoch + bytes.readInt32BE(at + BATCH.length)
    if (end > bytes.length) break
    const batch = bytes.subarray(at, end)
    try {
      // Not by one push: a batch has more records than a function may have arguments.
      for (const message of await readBatch(batch)) messages.push(message)
    } catch (error) {
      // The records before it are processed first: the next fetch begins with this batch.
      if (messages.length === 0) messages.push(unreadable(batch, error))
      break
    }
    at = end
  }
  return messages
}

async function readBatch(batch: Buffer): Promise<readonly response.FetchedMessage[]> {
  if (batch.readInt8(BATCH.magic) < MAGIC) return readMessageSet(new Decoder(batch), batch.length)
  const count = batch.readInt32BE(BATCH.count)
  if (count > BATCH_RECORDS_MAX) throw new NotUnpacked('too_large', `It has ${count} records, more than ${BATCH_RECORDS_MAX}.`)
  return readPlainBatch(batch) ?? (await readRecordBatch(new Decoder(batch))).records
}

/** Where the fields of a batch begin. Messages older than Kafka 0.11 have the first two and the magic byte at the same places. */
const BATCH = { offset: 0, length: 8, leaderEpoch: 12, magic: 16, attributes: 21, lastOffsetDelta: 23, producerId: 43, count: 57 } as const
const MAGIC = 2
const TRANSACTIONAL = 0x10

/** It has the last offset of the batch, because a fetch may begin within it. If its transaction was aborted it is left out like any other. */
function unreadable(batch: Buffer, error: unknown): response.FetchedMessage {
  const first = batch.readBigInt64BE(BATCH.offset)
  const common = { timestamp: '0', key: null, value: null, headers: {}, isControlRecord: false }
  const reason = error instanceof Error ? error.message : String(error)
  if (batch.length < BATCH.count || batch.readInt8(BATCH.magic) < MAGIC)
    return { ...common, offset: String(first), unreadable: { first: Number(first), reason } }
  return {
    ...common,
    offset: String(first + BigInt(batch.readInt32BE(BATCH.lastOffsetDelta))),
    batchContext: {
      partitionLeaderEpoch: batch.readInt32BE(BATCH.leaderEpoch),
      producerId: String(batch.readBigInt64BE(BATCH.producerId)),
      inTransaction: (batch.readInt16BE(BATCH.attributes) & TRANSACTIONAL) !== 0,
    },
    unreadable: { first: Number(first), reason },
  }
}
