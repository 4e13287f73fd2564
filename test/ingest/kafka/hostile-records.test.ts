import { gzipSync } from 'node:zlib'
import { compressFrameSync } from 'lz4-napi'
import { beforeAll, describe, expect, test } from 'vitest'
import { NotUnpacked } from '../../../ingest/event/unpack.ts'
import { BATCH_UNPACKED_BYTES_MAX, registerCodecs, UNPACK } from '../../../ingest/kafka/codecs.ts'
import { readRecord } from '../../../ingest/kafka/event-record.ts'
import { markAborted } from '../../../ingest/kafka/kafkajs-aborted.ts'
import { BATCH_RECORDS_MAX, readBatches } from '../../../ingest/kafka/kafkajs-fetch.ts'
import type { FetchedRecord } from '../../../ingest/kafka/topic.ts'
import { HOSTILE_BODIES } from '../../support/worlds/hostile-bodies.ts'

const RECEIVED = String(Date.UTC(2026, 1, 1))
const read = (value: Buffer, headers = {}) => readRecord({ offset: '0', timestamp: RECEIVED, value, headers }, 'log').validated

test('P7: a record of any content is read without an exception, in any format', () => {
  for (const { what, body } of HOSTILE_BODIES) {
    const bytes = body()
    for (const headers of [
      {},
      { 'content-type': 'application/cloudevents+json' },
      { ce_specversion: '1.0', ce_id: 'x', ce_source: 'y' },
      { refused: 'conflict' },
    ])
      expect([what, read(bytes, headers).status]).toEqual([what, 'rejected'])
  }
})

test('P7: a record that unpacks to more than a string can hold is rejected as too large', () => {
  const bytes = Buffer.alloc(600 * 1024 * 1024, '9')
  for (const headers of [{}, { 'content-type': 'application/cloudevents+json' }, { ce_id: 'x' }])
    expect(read(bytes, headers)).toMatchObject({ rejection: { reason: 'too_large' } })
})

test('a batch of records unpacks in every codec up to the limit, and not beyond it', async () => {
  const large = Buffer.alloc(BATCH_UNPACKED_BYTES_MAX + 1)
  const text = Buffer.from('{"event_id":"e"}')
  // Three ways to say "a literal of 16 bytes": snappy without and with the framing of the Java library, and zstd.
  const snappy = Buffer.concat([Buffer.from([16, 15 << 2]), text])
  const xerial = Buffer.concat([Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, snappy.length]), snappy])
  const zstd = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, 16, (16 << 3) | 1, 0, 0]), text])
  for (const [codec, bytes] of [
    ['GZIP', gzipSync(text)],
    ['Snappy', snappy],
    ['Snappy', xerial],
    ['LZ4', compressFrameSync(text)],
    ['ZSTD', zstd],
  ] as const)
    expect([codec, Buffer.from(await UNPACK[codec](bytes)).toString()]).toEqual([codec, text.toString()])

  const huge = Buffer.from([0x80, 0x80, 0x80, 0x80, 0x04, 0])
  for (const [codec, bytes] of [
    ['GZIP', gzipSync(large)],
    ['Snappy', huge],
    ['Snappy', Buffer.concat([xerial.subarray(0, 19), Buffer.from([huge.length]), huge])],
    ['LZ4', compressFrameSync(large)],
    ['ZSTD', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 1, 0, 0, 0x04, 1, 0, 0])],
  ] as const)
    await expect(UNPACK[codec](bytes), codec).rejects.toThrow(NotUnpacked)
})

describe('batches of one partition in the answer of a broker', () => {
  beforeAll(registerCodecs)
  const RECORD = Buffer.from([12, 0, 0, 0, 1, 1, 0])
  const recordsOf = (count: number) => Buffer.alloc(count * RECORD.length, RECORD)

  /** A batch of a transactional producer; the payload is `count` records, compressed as `codec` says. */
  function batchOf({ first, count, codec = 0, payload = recordsOf(count) }: { first: number; count: number; codec?: number; payload?: Buffer }): Buffer {
    const header = Buffer.alloc(61)
    header.writeBigInt64BE(BigInt(first), 0)
    header.writeInt32BE(header.length - 12 + payload.length, 8)
    header.writeInt32BE(3, 12)
    header.writeInt8(2, 16)
    header.writeInt16BE(0x10 | codec, 21)
    header.writeInt32BE(count - 1, 23)
    header.writeBigInt64BE(7n, 43)
    header.writeInt32BE(count, 57)
    return Buffer.concat([header, payload])
  }
  const GZIP = 1
  const readable = (first: number) => batchOf({ first, count: 1 })
  const offsetsOf = async (...batches: Buffer[]) => (await readBatches(Buffer.concat(batches))).map(({ offset }) => offset)

  test('a batch has as many records as the limit says, although a function may have fewer arguments', async () => {
    expect(await readBatches(batchOf({ first: 0, count: 200_000 }))).toHaveLength(200_000)
    const packed = gzipSync(recordsOf(BATCH_RECORDS_MAX + 1))
    expect(await readBatches(batchOf({ first: 0, count: BATCH_RECORDS_MAX + 1, codec: GZIP, payload: packed }))).toMatchObject([
      { unreadable: { first: 0, reason: expect.stringContaining('700000') } },
    ])
  })

  test('a batch that cannot be read is one record with its last offset, behind which nothing is read; what precedes it is read first', async () => {
    const unreadable = [
      batchOf({ first: 5, count: 3, codec: GZIP, payload: gzipSync(Buffer.alloc(BATCH_UNPACKED_BYTES_MAX + 1)) }),
      batchOf({ first: 5, count: 3, codec: GZIP, payload: Buffer.from('damaged') }),
      batchOf({ first: 5, count: 3, payload: recordsOf(2) }),
      batchOf({ first: 5, count: 3, codec: 7, payload: Buffer.from('of no known codec') }),
    ]
    for (const batch of unreadable) {
      expect(await offsetsOf(readable(4), batch, readable(8))).toEqual(['4'])
      const messages = await readBatches(Buffer.concat([batch, readable(8)]))
      expect(messages).toMatchObject([{ offset: '7', isControlRecord: false, unreadable: { first: 5, reason: expect.stringMatching(/.+/) } }])
      expect(() => readRecord(messages[0] as FetchedRecord, 'cluster/topic/1/0')).toThrow(/has stopped.*offsets 5 to 7: /)
      const partition = { messages, abortedTransactions: [{ producerId: '7', firstOffset: '5' }] }
      markAborted(partition)
      expect(messages).toMatchObject([{ isControlRecord: true }])
    }
  })

  test('of many batches that unpack to much, only the first are read in one fetch; a batch that the broker has cut is left out', async () => {
    const large = (first: number) => batchOf({ first, count: 1, codec: GZIP, payload: gzipSync(Buffer.concat([RECORD, Buffer.alloc(40 * 1024 * 1024)])) })
    expect(await offsetsOf(large(0), large(1), large(2), large(3))).toEqual(['0', '1'])
    expect(await offsetsOf(readable(0), readable(1).subarray(0, 40))).toEqual(['0'])
    expect(await offsetsOf(readable(0), Buffer.alloc(16))).toEqual(['0'])
    expect(await offsetsOf(Buffer.alloc(0))).toEqual([])
  })

  test('a message in the format of before Kafka 0.11 is read, and one that cannot be read is named too', async () => {
    const old = (attributes: number, value: Buffer) => {
      const message = Buffer.alloc(34 + value.length)
      message.writeBigInt64BE(9n, 0)
      message.writeInt32BE(message.length - 12, 8)
      message.writeInt8(1, 16)
      message.writeInt8(attributes, 17)
      message.writeInt32BE(-1, 26)
      message.writeInt32BE(value.length, 30)
      value.copy(message, 34)
      return message
    }
    expect(await readBatches(old(0, Buffer.from('{}')))).toMatchObject([{ offset: '9', value: Buffer.from('{}') }])
    expect(await readBatches(old(GZIP, Buffer.from('damaged')))).toMatchObject([{ offset: '9', unreadable: { first: 9 } }])
  })
})
