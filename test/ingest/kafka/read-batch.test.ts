import fc from 'fast-check'
import Decoder from 'kafkajs/src/protocol/decoder.js'
import readRecordBatch from 'kafkajs/src/protocol/recordBatch/v0/decoder.js'
import { expect, test } from 'vitest'
import { BatchRecord } from '../../../ingest/kafka/batch-record.ts'
import { readRecord } from '../../../ingest/kafka/event-record.ts'
import { readBatches } from '../../../ingest/kafka/kafkajs-fetch.ts'
import { readPlainBatch } from '../../../ingest/kafka/read-batch.ts'
import type { FetchedRecord } from '../../../ingest/kafka/topic.ts'

const RUNS = 1_000
const SEED = Number(process.env['RANDOM_SEED'] ?? Date.now() % 2 ** 31)

interface MadeRecord {
  readonly timestampDelta: number
  readonly offsetDelta: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly (readonly [string, Buffer | null])[]
}

test(`a batch that is read without kafkajs has the same records (RANDOM_SEED=${SEED})`, async () => {
  let compared = 0
  await fc.assert(
    fc.asyncProperty(batch(), async (bytes) => {
      const records = readPlainBatch(bytes)
      if (records === undefined) return
      compared += 1
      const expected = (await readRecordBatch(new Decoder(bytes))).records
      expect(records.map(shown)).toEqual(expected.map(shown))
    }),
    { seed: SEED, numRuns: RUNS },
  )
  // Otherwise nothing was compared.
  expect(compared).toBeGreaterThan(RUNS / 10)
})

test(`an event is the same whether its batch is read by kafkajs or not (RANDOM_SEED=${SEED})`, async () => {
  let counted = 0
  await fc.assert(
    fc.asyncProperty(fc.array(eventRecord(), { minLength: 1, maxLength: 4 }), fc.constantFrom(0, 8), async (made, attributes) => {
      const bytes = batchOf(
        made.map((record, offsetDelta) => ({ ...record, offsetDelta })),
        { attributes, first: 40, firstMs: NOW_MS, maxMs: NOW_MS + 7 },
      )
      const expected = (await readRecordBatch(new Decoder(bytes))).records as unknown as FetchedRecord[]
      for (const [index, record] of (await readBatches(bytes)).entries()) {
        expect(record).toBeInstanceOf(BatchRecord)
        const { validated, ...place } = readRecord(record, 'log')
        const { validated: validatedOld, ...placeOld } = readRecord(expected[index] as FetchedRecord, 'log')
        expect({ ...place, ...validated, original: validated.original().toString() }).toEqual({
          ...placeOld,
          ...validatedOld,
          original: validatedOld.original().toString(),
        })
        if (validated.status === 'valid') counted += 1
      }
    }),
    { seed: SEED, numRuns: RUNS / 4 },
  )
  expect(counted).toBeGreaterThan(RUNS / 10)
})

function shown({ offset, timestamp, value, batchContext, isControlRecord, ...more }: Awaited<ReturnType<typeof readBatches>>[number]) {
  const { headers } = more as unknown as FetchedRecord
  const { partitionLeaderEpoch, producerId, inTransaction } = batchContext ?? {}
  return { offset, timestamp, value: value?.toString('latin1'), headers: textsOf(headers), isControlRecord, partitionLeaderEpoch, producerId, inTransaction }
}

/** Both as text and as bytes, a header is the same to those who read it. */
function textsOf(headers: FetchedRecord['headers'] = {}) {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Buffer.isBuffer(value) ? value.toString('latin1') : value]))
}

const NOW_MS = Date.UTC(2026, 2, 1)

function eventRecord(): fc.Arbitrary<MadeRecord> {
  const value = fc.constantFrom('1', '01', '1.50', '2.5').map((sent) => {
    const event = { event_id: 'e', project_id: 'p', metric: 'ai_tokens', value: sent, timestamp: '2026-02-28T23:00:00.000Z' }
    return Buffer.from(JSON.stringify(event))
  })
  const headers = fc.subarray([
    ['received_ms', Buffer.from(String(NOW_MS))],
    ['ingest_key', Buffer.from('key')],
    ['refused', Buffer.from('conflict')],
    ['refused', Buffer.from('no reason')],
    ['received_ms', Buffer.from('1e99')],
    ['content-type', Buffer.from('application/cloudevents+json')],
    ['ce_id', Buffer.from('x')],
    ['other', null],
  ] as [string, Buffer | null][])
  // The records of one request have the same headers.
  const ofRequest = fc.constantFrom<[string, Buffer][]>(
    [
      ['received_ms', Buffer.from(String(NOW_MS))],
      ['ingest_key', Buffer.from('key')],
    ],
    [
      ['received_ms', Buffer.from(String(NOW_MS + 1))],
      ['ingest_key', Buffer.from('key')],
    ],
  )
  const few = fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 3, arbitrary: ofRequest }, { weight: 1, arbitrary: headers })
  return fc
    .record({ timestampDelta: fc.constantFrom(0, -1, 100_000_000), offsetDelta: fc.nat(9), key: fc.constant(null), value, headers: few })
    .map((record) => {
      // One header of a name: a batch that repeats one is left to kafkajs.
      return { ...record, headers: [...new Map(record.headers)] }
    })
}

function batch(): fc.Arbitrary<Buffer> {
  const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array))
  const nullable = fc.oneof({ weight: 4, arbitrary: bytes }, { weight: 1, arbitrary: fc.constant(null) })
  const mostly = <T>(usual: fc.Arbitrary<T>, ...others: T[]) => fc.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: fc.constantFrom(...others) })
  const name = mostly(fc.constantFrom('a', 'b', 'é', '', 'received_ms'), '__proto__', 'constructor')
  const record = fc.record({
    timestampDelta: mostly(fc.integer({ min: -(2 ** 27), max: 2 ** 27 - 1 }), 2 ** 27, 2 ** 40),
    offsetDelta: mostly(fc.nat(300), 2 ** 27 - 1, 2 ** 27),
    key: nullable,
    value: nullable,
    headers: fc.array(fc.tuple(name, nullable), { maxLength: 3 }),
  })
  const header = fc.record({
    attributes: fc.oneof({ weight: 8, arbitrary: fc.constantFrom(0, 8) }, { weight: 1, arbitrary: fc.constantFrom(1, 0x10, 0x20, 0x30) }),
    first: mostly(fc.constantFrom(0, 7, 2 ** 40), 2 ** 53),
    firstMs: mostly(fc.constantFrom(-1, 0, NOW_MS), 2 ** 53),
    maxMs: mostly(fc.constantFrom(-1, NOW_MS), 2 ** 60),
  })
  const ascending = fc
    .uniqueArray(record, { maxLength: 5, selector: ({ offsetDelta }) => offsetDelta })
    .map((records) => records.toSorted((a, b) => a.offsetDelta - b.offsetDelta))
  const records = fc.oneof({ weight: 5, arbitrary: ascending }, { weight: 1, arbitrary: fc.array(record, { maxLength: 5 }) })
  const made = fc.tuple(records, header).map(([list, fields]) => batchOf(list, fields))
  // 0 is the length of the first record.
  const changes = fc.array(fc.tuple(fc.oneof(fc.nat(), fc.constant(0)), fc.nat(255)), { maxLength: 2 })
  const changed = fc.tuple(made, changes).map(([whole, list]) => {
    const copy = Buffer.from(whole)
    // Behind the header: its lengths were compared with the bytes before.
    for (const [place, byte] of list) if (copy.length > 61) copy[61 + (place % (copy.length - 61))] = byte
    return copy
  })
  // What kafkajs cannot read at all is compared by hostile-records.test.ts.
  return fc.oneof({ weight: 3, arbitrary: made }, { weight: 2, arbitrary: changed }).filter((each) => each.readInt16BE(21) % 8 === 0)
}

function batchOf(
  records: readonly MadeRecord[],
  { attributes, first, firstMs, maxMs }: { attributes: number; first: number; firstMs: number; maxMs: number },
): Buffer {
  const payload = Buffer.concat(records.map(recordOf))
  const header = Buffer.alloc(61)
  header.writeBigInt64BE(BigInt(first), 0)
  header.writeInt32BE(header.length - 12 + payload.length, 8)
  header.writeInt32BE(3, 12)
  header.writeInt8(2, 16)
  header.writeInt16BE(attributes, 21)
  header.writeInt32BE(Math.max(0, records.length - 1), 23)
  header.writeBigInt64BE(BigInt(firstMs), 27)
  header.writeBigInt64BE(BigInt(maxMs), 35)
  header.writeBigInt64BE(7n, 43)
  header.writeInt32BE(records.length, 57)
  return Buffer.concat([header, payload])
}

function recordOf({ timestampDelta, offsetDelta, key, value, headers }: MadeRecord): Buffer {
  const parts = [Buffer.of(0), numberOf(timestampDelta), numberOf(offsetDelta), ...bytesOf(key), ...bytesOf(value), numberOf(headers.length)]
  for (const [name, bytes] of headers) parts.push(...bytesOf(Buffer.from(name)), ...bytesOf(bytes))
  const record = Buffer.concat(parts)
  return Buffer.concat([numberOf(record.length), record])
}

function bytesOf(bytes: Buffer | null): Buffer[] {
  return bytes === null ? [numberOf(-1)] : [numberOf(bytes.length), bytes]
}

function numberOf(value: number): Buffer {
  const bytes: number[] = []
  let rest = value < 0 ? (BigInt(-value) << 1n) - 1n : BigInt(value) << 1n
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return Buffer.of(...bytes, Number(rest))
}
