import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Arrival } from '../../../ingest/event/arrival.ts'
import { CanonicalFields } from '../../../ingest/event/canonical-event.ts'
import { decodeBody, decodeEvent } from '../../../ingest/event/decode-body.ts'
import { type AllowedProjects, type ValidatedEvent, validateEvent } from '../../../ingest/event/pipeline.ts'
import { readAnyEvent, readUsageEvent } from '../../../ingest/event/read-event.ts'
import { BatchBytes, BatchRecord } from '../../../ingest/kafka/batch-record.ts'
import { readRecord } from '../../../ingest/kafka/event-record.ts'
import { EVENT_BYTES_MAX, RESERVED_PROJECT_IDS, TIMESTAMP_AHEAD_MS_MAX, TIMESTAMP_MIN_MS } from '../../../metering/event.ts'
import { METRIC_NAMES, type MetricKinds } from '../../../metering/metrics.ts'
import { LAST_DAY_END_MS } from '../../../metering/storable-days.ts'

/** More cases: CANONICAL_RUNS=1000000 takes some minutes. */
const RUNS = Number(process.env['CANONICAL_RUNS'] ?? 1_500)
const TIMEOUT_MS = 180_000 + RUNS * 20
const SEED = Number(process.env['RANDOM_SEED'] ?? Date.now() % 2 ** 31)

const RECEIVED_MS = Date.UTC(2026, 2, 1, 12)
const METRICS: MetricKinds = { kindOf: (metric) => KINDS.get(metric) }
const KINDS: ReadonlyMap<string, ReturnType<MetricKinds['kindOf']>> = new Map([
  ['ai_tokens', 'cumulative'],
  ['database_size_bytes', 'peak'],
  ['builds', 'count'],
  ['seats', 'last'],
  ['users', 'unique'],
  ['a'.repeat(63), 'cumulative'],
  ['later', 'left_to_service'],
])

describe('what takes the short way', () => {
  test.each([
    `{"event_id":"e 1","project_id":"p","metric":"ai_tokens","value":"0.5","timestamp":"2026-01-31T12:00:00Z"}`,
    `{"event_id":"${'e'.repeat(128)}","project_id":"${'p'.repeat(128)}","metric":"m","value":12,"timestamp":"2026-01-31T12:00:00.001Z"}`,
  ])('an event as emitters write it is read by the scan, alone and in bodies: %s', (event) => {
    const bodies = [decodeBody(Buffer.from(event), 'json'), decodeBody(Buffer.from(`${event}\r\n`), 'ndjson'), decodeBody(Buffer.from(`[${event}]`), 'json')]
    for (const body of bodies) expect(body).toMatchObject({ status: 'decoded', arrivals: [{ fields: expect.any(CanonicalFields) }] })
  })

  test('an event that is too large with the white space around it is rejected, whatever its form', () => {
    const event = `{"event_id":"e","project_id":"p","metric":"ai_tokens","value":"1","timestamp":"2026-01-31T12:00:00Z"}`
    const arrival = decodeEvent(Buffer.from(`${event}${' '.repeat(EVENT_BYTES_MAX)}`))
    expect(validateEvent(arrival, { receivedMs: RECEIVED_MS, allowedProjects: 'all' })).toMatchObject({ rejection: { reason: 'too_large' } })
  })

  test('a copy with another field is no canonical event: an event of a batch keeps its batch', () => {
    const arrival = decodeEvent(Buffer.from(`{"event_id":"e","project_id":"p","metric":"ai_tokens","value":"1","timestamp":"2026-01-31T12:00:00Z"}`))
    const ofBatch = { ...arrival, fields: { ...arrival.fields, correction_batch: '0198c2f0-0000-7000-8000-000000000000' } }
    const context = { receivedMs: RECEIVED_MS, allowedProjects: 'all', allowsBatches: true } as const
    expect(validateEvent(arrival, context)).toMatchObject({ status: 'valid', event: { eventId: 'e' } })
    expect(validateEvent(ofBatch, context)).toMatchObject({ status: 'valid', event: { correctionBatch: ofBatch.fields.correction_batch } })
  })
})

test(`the scan and the steps give one result for every input (RANDOM_SEED=${SEED}, CANONICAL_RUNS=${RUNS})`, { timeout: TIMEOUT_MS }, () => {
  let canonical = 0
  const compare = ([bytes, allowed]: [Buffer, AllowedProjects]) => {
    if (compareAlone(bytes, allowed)) canonical += 1
    compareAt(bytes, 0)
  }
  fc.assert(fc.property(fc.tuple(mutated(), allowedProjects()), compare), { seed: SEED, numRuns: RUNS })
  // Otherwise nothing was compared.
  expect(canonical).toBeGreaterThan(RUNS / 10)
})

test('the scan and the steps give one result at the limits of each field', () => {
  for (const [name, values] of Object.entries(LIMITS))
    for (const value of values) {
      const event = { event_id: 'e', project_id: 'p', metric: 'ai_tokens', value: '1', timestamp: '2026-01-31T12:00:00Z', [name]: value }
      compareAlone(Buffer.from(JSON.stringify(event)), 'all')
    }
})

const LIMITS = {
  event_id: ['~', ' ', '\u007f', '\u0080', 'é', 'x'.repeat(128), 'x'.repeat(129)],
  project_id: ['p'.repeat(128), 'p'.repeat(129), ...RESERVED_PROJECT_IDS],
  timestamp: [
    ...['2026-02-28', '2026-02-29', '2024-02-29', '2026-02-30', '2026-04-31', '2026-13-01', '2026-00-10', '2026-01-00', '0026-01-01'].map(
      (day) => `${day}T12:00:00Z`,
    ),
    ...[TIMESTAMP_MIN_MS, LAST_DAY_END_MS, RECEIVED_MS + TIMESTAMP_AHEAD_MS_MAX].flatMap((ms) => [ms - 1, ms, ms + 1]).map((ms) => new Date(ms).toISOString()),
    ...['23:59:59', '24:00:00', '12:60:00', '12:00:60'].map((time) => `2026-01-31T${time}Z`),
  ],
}

test(`the scan gives the same at every place of a body (RANDOM_SEED=${SEED})`, { timeout: TIMEOUT_MS }, () => {
  const separator = fc.constantFrom(',', '\n', '\r\n', ' ', '', ' , ', '\0', '\u00a0')
  const body = fc
    .array(fc.tuple(mutated(), separator), { maxLength: 4 })
    .map((parts) => Buffer.concat(parts.flatMap(([bytes, text]) => [bytes, Buffer.from(text)])))
  fc.assert(
    fc.property(body, (bytes) => {
      for (let at = bytes.indexOf('{'); at !== -1; at = bytes.indexOf('{', at + 1)) compareAt(bytes, at)
    }),
    { seed: SEED, numRuns: Math.ceil(RUNS / 4) },
  )
})

/** Compares an event of its own, over HTTP and as a record of a topic. Returns whether it was valid and read by the scan. */
function compareAlone(bytes: Buffer, allowedProjects: AllowedProjects): boolean {
  const arrival = decodeEvent(bytes)
  const context = { receivedMs: RECEIVED_MS, allowedProjects, metrics: METRICS }
  const short = validateEvent(arrival, context)
  expect(shown(short)).toEqual(shown(validateEvent(plain(arrival), context)))
  const ofTopic = { ...context, receivedAsRecord: true, allowsBatches: true, allowedProjects: 'all' } as const
  const expected = shown(validateEvent(plain(arrival), ofTopic))
  // In the middle of a batch, so that a scan that goes too far is noticed.
  const batch = new BatchBytes(Buffer.concat([BEFORE, bytes, BEFORE]))
  const place = { offset: 7, timestampMs: RECEIVED_MS, valueStart: BEFORE.length, valueEnd: BEFORE.length + bytes.length }
  for (const headers of [undefined, { ingest_key: Buffer.from('k') }])
    expect(shown(readRecord(new BatchRecord(place, headers, { batch, context: NO_TRANSACTION }), 'log', METRICS).validated)).toEqual(expected)
  return short.status === 'valid' && arrival.fields instanceof CanonicalFields
}

const BEFORE = Buffer.from(' {"event_id":"x","project_id":"p"} ')
const NO_TRANSACTION = { partitionLeaderEpoch: 0, producerId: '-1', inTransaction: false }

/** The arrival as the decoder reads it that knows every form. */
function plain(arrival: Arrival): Arrival {
  return arrival.fields === undefined ? arrival : { ...arrival, fields: { ...arrival.fields } }
}

function compareAt(bytes: Buffer, start: number): void {
  for (const text of [bytes.toString('latin1'), bytes.toString('latin1').replaceAll('\n', '\0')]) {
    const { fields, ...short } = readUsageEvent({ bytes, text }, start)
    const { fields: expected, ...any } = readAnyEvent({ bytes, text }, start)
    expect(short).toEqual(any)
    expect(fields && { ...fields }).toEqual(expected)
  }
}

function shown(validated: ValidatedEvent) {
  return { ...validated, original: validated.original().toString('latin1') }
}

function allowedProjects(): fc.Arbitrary<AllowedProjects> {
  return fc.constantFrom<AllowedProjects>('all', new Set(['p', 'p'.repeat(128), 'usage', '0198c2f0-0000-7000-8000-000000000000']))
}

/** Bytes of an event, nearly always with one thing that is not as emitters write it. */
function mutated(): fc.Arbitrary<Buffer> {
  const changes = fc.array(fc.tuple(fc.constantFrom('flip', 'insert', 'remove', 'repeat', 'cut', 'append'), fc.nat(), fc.nat()), { maxLength: 2 })
  return fc.tuple(eventText(), fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 2, arbitrary: changes })).map(([text, list]) => {
    let bytes = Buffer.from(text)
    for (const [kind, place, value] of list) {
      const at = place % (bytes.length + 1)
      const byte = Buffer.of(value % 3 === 0 ? value % 256 : (TELLING_BYTES[value % TELLING_BYTES.length] ?? 0))
      if (kind === 'flip') bytes = Buffer.concat([bytes.subarray(0, at), byte, bytes.subarray(at + 1)])
      if (kind === 'insert') bytes = Buffer.concat([bytes.subarray(0, at), byte, bytes.subarray(at)])
      if (kind === 'remove') bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + (value % 4))])
      if (kind === 'repeat') bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - (value % 40)))])
      if (kind === 'cut') bytes = bytes.subarray(0, at)
      if (kind === 'append') bytes = Buffer.concat([bytes, byte])
    }
    return bytes
  })
}

const TELLING_BYTES = Buffer.from('\0\t\n\r "\\/,:{}[]-+.0159eETZtzau_\u007f\u00e9\ufeff')

/** The members in their order, in another one, some twice, with others between them, or with white space. */
function eventText(): fc.Arbitrary<string> {
  const members = fc.tuple(eventId(), projectId(), metric(), value(), timestamp()).map((values) => NAMES.map((name, index) => `"${name}":${values[index]}`))
  const arranged = members.chain((list) =>
    fc.oneof(
      { weight: 6, arbitrary: fc.constant(list) },
      { weight: 1, arbitrary: fc.shuffledSubarray([...list, ...list], { minLength: 4 }) },
      { weight: 1, arbitrary: fc.tuple(fc.nat(5), fc.constantFrom(...OTHERS)).map(([at, other]) => list.toSpliced(at, 0, other)) },
    ),
  )
  const blank = fc.oneof({ weight: 12, arbitrary: fc.constant('') }, { weight: 1, arbitrary: fc.constantFrom(' ', '\n', '\t', '\ufeff') })
  return fc.tuple(blank, arranged, blank, blank).map(([before, list, between, after]) => `${before}{${list.join(`,${between}`)}}${after}`)
}

const NAMES = ['event_id', 'project_id', 'metric', 'value', 'timestamp']
const OTHERS = [
  '"labels":{}',
  '"labels":null',
  '"corrects":"e"',
  '"correction_batch":"b"',
  '"specversion":"1.0"',
  '"x":[1]',
  '"":0',
  '"\\u0076alue":2',
  '"value":2',
]

/** Mostly as emitters write it. */
function mostly(usual: fc.Arbitrary<string>, ...others: fc.Arbitrary<string>[]): fc.Arbitrary<string> {
  const unusual = fc.oneof(...others, odd())
  return fc.oneof({ weight: 6, arbitrary: usual }, { weight: 1, arbitrary: unusual })
}

function eventId(): fc.Arbitrary<string> {
  const lengths = fc.constantFrom(0, 1, 127, 128, 129).map((length) => quoted('x'.repeat(length)))
  const characters = fc.constantFrom('~', ' ', '\u007f', '\u0080', 'e\u007f', 'é').map((id) => `"${id}"`)
  return mostly(fc.uuid().map(quoted), lengths, characters, fc.string({ unit: 'binary', maxLength: 20 }).map(quoted))
}

function projectId(): fc.Arbitrary<string> {
  const others = fc.constantFrom('p q', ...[127, 128, 129].map((length) => 'p'.repeat(length)), ...RESERVED_PROJECT_IDS)
  return mostly(fc.constantFrom('p', 'q.', 'a:b_c-D').map(quoted), others.map(quoted))
}

function metric(): fc.Arbitrary<string> {
  const others = fc.constantFrom(...KINDS.keys(), ...METRIC_NAMES, 'constructor', '', 'a'.repeat(64))
  return mostly(fc.constantFrom('ai_tokens', 'database_size_bytes').map(quoted), others.map(quoted))
}

function value(): fc.Arbitrary<string> {
  const digits = (max: number) => fc.string({ unit: fc.constantFrom(...'0123456789'), maxLength: max })
  const signs = fc.constantFrom('', '-', '+', '0', ' ')
  const ends = fc.constantFrom('', '.', '.0', '.5', '.50', 'e3', 'E-2', 'e+0', ' ')
  const limits = [
    '0',
    '0.0',
    '00',
    '9'.repeat(15),
    '1'.repeat(16),
    '9007199254740993',
    '9'.repeat(29),
    '9'.repeat(30),
    `0.${'1'.repeat(9)}`,
    `0.${'1'.repeat(10)}`,
  ]
  const others = fc.oneof(
    fc.tuple(digits(31), fc.constantFrom('', '.'), digits(11)).map((parts) => parts.join('')),
    fc.tuple(signs, fc.nat().map(String), ends).map((parts) => parts.join('')),
    fc.constantFrom(...limits),
    fc.double({ noNaN: true }).map(String),
  )
  const usual = fc.tuple(fc.nat().map(String), fc.constantFrom('', '.5', '.000000001')).map((parts) => parts.join(''))
  return mostly(fc.oneof(usual, usual.map(quoted)), others, others.map(quoted))
}

function timestamp(): fc.Arbitrary<string> {
  const instants = [TIMESTAMP_MIN_MS, LAST_DAY_END_MS, RECEIVED_MS + TIMESTAMP_AHEAD_MS_MAX + 1].flatMap((ms) => [ms - 1, ms, ms + 1])
  const usual = fc.integer({ min: TIMESTAMP_MIN_MS, max: RECEIVED_MS }).map((ms) => new Date(ms).toISOString())
  const two = fc.nat(99).map((number) => String(number).padStart(2, '0'))
  const fields = fc.tuple(fc.constantFrom('2024', '2025', '1900', '0026', '2000'), two, two, two, two, two)
  const days = fc.tuple(
    fc.constantFrom('2023', '2024', '2100', '2000'),
    fc.constantFrom('01', '02', '04', '12'),
    fc.constantFrom('00', '01', '28', '29', '30', '31', '32'),
  )
  const others = fc.oneof(
    fc.constantFrom(...instants).map((ms) => new Date(ms).toISOString()),
    fields.map(([year, month, day, hour, minute, second]) => `${year}-${month}-${day}T${hour}:${minute}:${second}Z`),
    days.map((day) => `${day.join('-')}T23:59:59.999Z`),
    fc.constantFrom(
      '2026-01-31T12:00:00z',
      '2026-01-31t12:00:00Z',
      '2026-01-31T12:00:00+00:00',
      '2026-01-31T12:00:00.1Z',
      '2026-01-31T12:00:00.1234Z',
      '2026-01-31',
    ),
  )
  return mostly(
    fc
      .oneof(
        usual,
        usual.map((text) => text.replace(/\.\d+Z/, 'Z')),
      )
      .map(quoted),
    others.map(quoted),
  )
}

function quoted(text: string): string {
  return JSON.stringify(text)
}

/** Values of other kinds, and strings that need an escape. */
function odd(): fc.Arbitrary<string> {
  return fc.oneof(fc.json({ maxDepth: 2 }), fc.constantFrom('"a\\u0062"', '"\\""', '"\\ud800"', '"\u00e9"', '"\u0080"', '"\u007f"', 'nul', '""'))
}
