import { expect, test } from 'vitest'
import { decodeBinaryCloudEvent, decodeBody, decodeEvent } from '../../../ingest/event/decode-body.ts'
import { validateEvent } from '../../../ingest/event/pipeline.ts'
import { readRecord, recordOfEvent, recordToForward } from '../../../ingest/kafka/event-record.ts'
import { RESERVED_PROJECT_IDS } from '../../../metering/event.ts'

const TIME = '2026-01-01T00:00:00Z'
const EVENT = { event_id: 'e', project_id: 'p', metric: 'ai_tokens', value: '1', timestamp: TIME }
const { data, ...ATTRIBUTES } = { specversion: '1.0', source: '/s é', id: 'i "1"', type: 'ai_tokens', subject: 'p', time: TIME, data: { value: '1' } }
const CLOUD = { ...ATTRIBUTES, source: '/s-é', data }
const CONTEXT = { receivedMs: Date.parse(TIME), allowedProjects: 'all' } as const

const bytesOf = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
const headersOf = (prefix: string, attributes: object) =>
  Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`${prefix}${name}`, String(value)]))

function record(value: unknown, headers: Record<string, string> = {}) {
  const texts = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)]))
  return readRecord({ offset: '0', timestamp: String(CONTEXT.receivedMs), value: bytesOf(value), headers: texts }, 'log').validated
}

function bodyOf(value: unknown, format: Parameters<typeof decodeBody>[1]) {
  const decoded = decodeBody(bytesOf(value), format)
  const [arrival] = decoded.status === 'decoded' ? decoded.arrivals : []
  if (arrival === undefined) throw new Error(decoded.status)
  return validateEvent(arrival, CONTEXT)
}

/** The same event on every path by which it can come. */
function allPathsOf(event: Omit<typeof CLOUD, 'specversion'> & { specversion?: string }) {
  const { data: payload, ...attributes } = event
  return [
    bodyOf(event, 'cloudevent'),
    bodyOf([event], 'cloudevent-batch'),
    ...(event.specversion === undefined ? [] : [bodyOf(event, 'json'), bodyOf([event], 'json'), bodyOf(event, 'ndjson'), record(event)]),
    validateEvent(decodeBinaryCloudEvent(attributes, bytesOf(payload)), CONTEXT),
    record(event, { 'content-type': 'application/cloudevents+json; charset=UTF-8' }),
    record(payload, { ...headersOf('ce_', attributes), 'content-type': 'application/json' }),
  ]
}

test('P2: a CloudEvent has one identity, whether it comes over HTTP or Kafka, alone or in a batch, structured, binary or as plain JSON', () => {
  for (const validated of allPathsOf(CLOUD))
    expect(validated).toMatchObject({ status: 'valid', format: 'cloudevent', event: { eventId: '/s-é i "1"', projectId: 'p', value: '1' } })
})

test('P7: an event has one verdict whatever its path, in the words of its format, and a resend of its kept bytes gives the same', () => {
  const faults: [object, string, RegExp][] = [
    [{ specversion: '0.3' }, 'invalid_event', /^specversion must be the string "1\.0"/],
    [{ source: 'a b' }, 'invalid_event', /^source must be/],
    [{ id: '' }, 'invalid_event', /^id must be/],
    [{ id: 'tab\t' }, 'invalid_event', /^source and id must be/],
    [{ subject: 'a b' }, 'invalid_event', /^subject must be/],
    [{ subject: 'usage' }, 'invalid_event', /^subject must not be "usage"/],
    [{ type: 'ai_token' }, 'unknown_metric', /^type must be/],
    [{ data: { value: '-1' } }, 'invalid_value', /^data\.value must be/],
    [{ data: { val: 1 } }, 'invalid_value', /^data\.value must be/],
    [{ time: '2026-01-01' }, 'invalid_timestamp', /^time must be/],
    [{ time: '2149-01-01T00:00:00Z' }, 'invalid_timestamp', /^time must not be after 2148-12-31/],
    [{ time: '2026-01-01T00:06:00Z' }, 'timestamp_in_future', /^time is more than 5 minutes after 2026-01-01T00:00:00Z/],
  ]
  for (const [fault, reason, message] of faults)
    for (const validated of allPathsOf({ ...CLOUD, ...fault })) {
      expect(validated).toMatchObject({ status: 'rejected', rejection: { reason, message: expect.stringMatching(message) } })
      const resent = validateEvent(decodeEvent(validated.original(), validated.format), CONTEXT)
      expect(resent).toMatchObject({ status: 'rejected', rejection: { reason } })
    }
})

test('P7: a declared CloudEvent without specversion is rejected on every path, though it has the fields of a plain event too', () => {
  const { specversion: _, ...undeclared } = { ...CLOUD, ...EVENT }
  for (const validated of allPathsOf(undeclared)) {
    expect(validated).toMatchObject({ status: 'rejected', rejection: { reason: 'invalid_event', message: expect.stringContaining('specversion') } })
    expect(validateEvent(decodeEvent(validated.original(), validated.format), CONTEXT).status).toBe('rejected')
  }
  // As JSON an event_id makes it a plain event, whatever other fields it has.
  expect(bodyOf({ ...CLOUD, ...EVENT }, 'json')).toMatchObject({ status: 'valid', format: 'json', event: { eventId: 'e' } })
})

test.each(['{"value":1},"id":"other"', 'text', '[1'])(
  'P6: the data of an event in binary mode cannot change its attributes, and without a JSON value it is rejected: %j',
  (payload) => {
    const validated = validateEvent(decodeBinaryCloudEvent(ATTRIBUTES, Buffer.from(payload)), CONTEXT)
    expect(validated).toMatchObject({ status: 'rejected', eventId: null })
    const { data: _, ...attributes } = CLOUD
    const named = validateEvent(decodeBinaryCloudEvent(attributes, Buffer.from(payload)), CONTEXT)
    expect(named).toMatchObject({ status: 'rejected', eventId: '/s-é i "1"', rejection: { reason: 'invalid_value' } })
    expect(JSON.parse(named.original().toString())).toMatchObject({ id: CLOUD.id, data_base64: Buffer.from(payload).toString('base64') })
  },
)

test.each(RESERVED_PROJECT_IDS)('an event of the reserved project id %j is invalid over HTTP, Kafka and in a resend', (project_id) => {
  const event = { ...EVENT, project_id }
  const verdicts = [bodyOf(event, 'json'), bodyOf([event], 'json'), bodyOf(event, 'ndjson'), record(event), validateEvent(decodeEvent(bytesOf(event)), CONTEXT)]
  for (const validated of [...verdicts, ...allPathsOf({ ...CLOUD, subject: project_id }).slice(0, 2)])
    expect(validated).toMatchObject({
      status: 'rejected',
      projectId: project_id,
      rejection: { reason: 'invalid_event', message: expect.stringContaining('reserved') },
    })
})

test('one byte order mark at the very beginning is skipped, on every path', () => {
  const marked = `\ufeff${JSON.stringify(EVENT)}`
  for (const validated of [bodyOf(marked, 'json'), bodyOf(`\ufeff[${JSON.stringify(EVENT)}]`, 'json'), bodyOf(marked, 'ndjson'), record(marked)])
    expect(validated).toMatchObject({ status: 'valid', event: { eventId: 'e' } })
  expect(record(`\ufeff${marked}`)).toMatchObject({ status: 'rejected', rejection: { reason: 'invalid_json' } })
})

test('the depth of an event does not depend on how its number is written: its 64 KiB are the limit', () => {
  for (const value of ['1', '1e0', '"1"', '1.00'])
    for (const levels of [5_000, 30_000]) {
      const text = `{"d":${'['.repeat(levels)}${']'.repeat(levels)},${JSON.stringify(EVENT).slice(1).replace('"1"', value)}`
      for (const validated of [bodyOf(text, 'json'), bodyOf(`[${text}]`, 'json'), bodyOf(text, 'ndjson'), record(text)])
        expect([value, levels, validated.status]).toEqual([value, levels, 'valid'])
    }
})

test('a leap second is rejected, and the message says so', () => {
  expect(bodyOf({ ...EVENT, timestamp: '2016-12-31T23:59:60Z' }, 'json')).toMatchObject({
    rejection: { reason: 'invalid_timestamp', message: expect.stringContaining('without leap seconds') },
  })
})

test('P6: an event that is later than the timestamp of its record is rejected, and the message says what that timestamp has to be', () => {
  expect(record({ ...EVENT, timestamp: '2026-01-01T00:06:00Z' })).toMatchObject({
    rejection: { reason: 'timestamp_in_future', message: expect.stringContaining('the timestamp of its record, which must be the current time') },
  })
})

test('P7: an event keeps its format in the record that the api produces for it, and in the copy of a misrouted one', () => {
  const { data: payload, ...attributes } = CLOUD
  const [rejected, misrouted] = [{ ...attributes, type: 'none' }, attributes].map((each) =>
    validateEvent(decodeBinaryCloudEvent(each, bytesOf(payload)), CONTEXT),
  )
  if (rejected === undefined || misrouted === undefined) throw new Error('not decoded')
  const produced = recordOfEvent(rejected, { ingestKeyId: 'k', receivedMs: CONTEXT.receivedMs }, 0)
  expect(record(String(produced.value), produced.headers)).toMatchObject({
    format: 'cloudevent',
    eventId: '/s-é i "1"',
    rejection: { reason: 'unknown_metric' },
  })
  const copy = recordToForward({ log: 'l', offset: 1, validated: misrouted, receivedMs: CONTEXT.receivedMs, ingestKeyId: '' }, 'p', 0)
  expect(record(String(copy.value), copy.headers)).toMatchObject({ status: 'valid', event: { eventId: '/s-é i "1"', value: '1' } })
  // Without its format the copy would be another event, which counts again.
  const declared = bodyOf({ ...CLOUD, ...EVENT }, 'cloudevent')
  const forwarded = recordToForward({ log: 'l', offset: 2, validated: declared, receivedMs: CONTEXT.receivedMs, ingestKeyId: '' }, 'p', 0)
  expect(record(String(forwarded.value), forwarded.headers)).toMatchObject({ status: 'valid', event: { eventId: '/s-é i "1"' } })
})
