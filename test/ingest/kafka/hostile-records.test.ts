import { gzipSync } from 'node:zlib'
import { compressFrameSync } from 'lz4-napi'
import { expect, test } from 'vitest'
import { NotUnpacked } from '../../../ingest/event/unpack.ts'
import { BATCH_UNPACKED_BYTES_MAX, UNPACK } from '../../../ingest/kafka/codecs.ts'
import { readRecord } from '../../../ingest/kafka/event-record.ts'
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
