import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EVENTS_PER_REQUEST_MAX, LINES_PER_REQUEST_MAX } from '../../../contract/events.ts'
import type { Arrival } from '../../../ingest/event/arrival.ts'
import { type BodyFormat, decodeBody } from '../../../ingest/event/decode-body.ts'
import { NumberToken } from '../../../metering/quantity.ts'

function decode(body: string | Buffer, format: BodyFormat = 'json'): Arrival[] {
  const decoded = decodeBody(Buffer.from(body as string), format)
  if (decoded.status !== 'decoded') throw new Error(decoded.status)
  return decoded.arrivals
}

describe("an event's own bytes", () => {
  test('the bytes of each event are cut out of an array exactly, with any JSON in it and any white space between', () => {
    const blank = fc.stringMatching(/^[ \t\r\n]{0,3}$/)
    fc.assert(
      fc.property(fc.array(fc.tuple(blank, fc.jsonValue(), blank), { maxLength: 8 }), blank, (elements, around) => {
        const texts = elements.map(([, value]) => JSON.stringify(value, null, 1))
        const body = `${around}[${elements.map(([before, , after], index) => `${before}${texts[index]}${after}`).join(',')}]${around}`
        expect(decode(body).map((arrival) => arrival.original().toString('utf8'))).toEqual(texts)
      }),
    )
  })

  test('in NDJSON the bytes of an event are its line, and its index counts blank lines', () => {
    const arrivals = decode('\n{"a":1}\r\n \n{"b":2}', 'ndjson')
    expect(arrivals.map(({ index, original }) => [index, original().toString().trim()])).toEqual([
      [1, '{"a":1}'],
      [3, '{"b":2}'],
    ])
  })

  test('each event is measured alone: an event that is too large does not affect the others', () => {
    const large = JSON.stringify({ event_id: 'x'.repeat(70_000) })
    expect(decode(`[{},${large},{}]`).map(({ bytes }) => bytes)).toEqual([2, large.length, 2])
    expect(decode(`{}\n${large}\n{}`, 'ndjson').map(({ bytes }) => bytes)).toEqual([2, large.length, 2])
  })
})

describe('numbers', () => {
  const valueIn = (body: string) => decode(body)[0]?.fields?.value
  test.each(['{"value":12.5}', '{"value":9007199254740993}', '{"value" : 1e3}', '{"\\u0076alue":7}', '{"value":0.1234567890}', '{"value":1.000000000000000}'])(
    'a number keeps its digits: %s',
    (body) => {
      expect(valueIn(body)).toBeInstanceOf(NumberToken)
    },
  )

  test('of two equal keys the last one applies, as in every parser', () => {
    expect(valueIn('{"value":1,"value":2}')).toEqual(new NumberToken('2'))
    expect(valueIn('{"value":1,"value":[]}')).toBeUndefined()
    expect(valueIn('{"value":1,"value":9007199254740993}')).toEqual(new NumberToken('9007199254740993'))
  })
})

test('keys such as __proto__ and constructor are ordinary keys', () => {
  const [arrival] = decode('{"__proto__":{"value":1,"event_id":"x"},"constructor":2,"x":1e99,"value":1e2}')
  expect(arrival?.fields?.event_id).toBeUndefined()
  expect(({} as Record<string, unknown>)['event_id']).toBeUndefined()
})

test('bytes that are not UTF-8 are never decoded to text', () => {
  const bytes = Buffer.concat([Buffer.from('{"event_id":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')])
  expect(decodeBody(bytes, 'json')).toMatchObject({ status: 'not_json' })
  expect(decode(Buffer.concat([Buffer.from('{}\n'), bytes]), 'ndjson').map(({ problem }) => problem)).toEqual([undefined, 'not_json'])
})

test('a body with very deep nesting is handled without an exception', () => {
  for (const body of [
    `${'['.repeat(300_000)}`,
    `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`,
    `[{"value":1e1,"x":${'['.repeat(200_000)}${']'.repeat(200_000)}}]`,
  ]) {
    expect(['decoded', 'not_json']).toContain(decodeBody(Buffer.from(body), 'json').status)
  }
})

test('a body that is nested deeper than 100,000 levels is not JSON', () => {
  for (const [levels, status] of [
    [99_999, 'decoded'],
    [100_002, 'not_json'],
  ] as const)
    expect(decodeBody(Buffer.from('['.repeat(levels + 1) + ']'.repeat(levels + 1)), 'json').status).toBe(status)
})

test('fields that are not of an event are ignored, however deep or numerous', () => {
  const deep = `{"value":1e1,"x":${'['.repeat(20_000)}${']'.repeat(20_000)}}`
  const wide = `{"x":{${Array.from({ length: 5_000 }, (_, index) => `"k${index}":${index}`).join(',')}},"value":2}`
  for (const [body, format] of [
    [`[{"value":1},${deep},${wide}]`, 'json'],
    [`{"value":1}\n${deep}\n${wide}`, 'ndjson'],
  ] as const) {
    const arrivals = decode(body, format)
    expect(arrivals.map(({ problem, fields }) => [problem, fields?.value])).toEqual(['1', '1e1', '2'].map((value) => [undefined, new NumberToken(value)]))
    expect(arrivals[1]?.original().toString()).toBe(deep)
  }
})

test(`a body of NDJSON may have ${LINES_PER_REQUEST_MAX} lines, blank ones included, and not one more`, () => {
  const lines = (count: number) => Buffer.from(`{}${'\n'.repeat(count - 1)}`)
  expect(decodeBody(lines(LINES_PER_REQUEST_MAX), 'ndjson')).toMatchObject({ status: 'decoded', arrivals: [{ index: 0 }] })
  expect(decodeBody(lines(LINES_PER_REQUEST_MAX + 1), 'ndjson').status).toBe('too_many_lines')
})

test(`a body may have ${EVENTS_PER_REQUEST_MAX} events, and not one more`, () => {
  const lines = (count: number) => Buffer.from('{}\n'.repeat(count))
  expect(decodeBody(lines(EVENTS_PER_REQUEST_MAX), 'ndjson').status).toBe('decoded')
  expect(decodeBody(lines(EVENTS_PER_REQUEST_MAX + 1), 'ndjson').status).toBe('too_many_events')
  const array = (count: number) => Buffer.from(JSON.stringify(Array(count).fill({})))
  expect(decodeBody(array(EVENTS_PER_REQUEST_MAX), 'json').status).toBe('decoded')
  expect(decodeBody(array(EVENTS_PER_REQUEST_MAX + 1), 'json').status).toBe('too_many_events')
})

test('a body of five million events is rejected without decoding them into memory', () => {
  const before = process.memoryUsage().rss
  expect(decodeBody(Buffer.from('1\n'.repeat(5_000_000)), 'ndjson').status).toBe('too_many_lines')
  expect(decodeBody(Buffer.from(`[${'1,'.repeat(5_000_000)}1]`), 'json').status).toBe('too_many_events')
  expect(process.memoryUsage().rss - before).toBeLessThan(400 * 1024 * 1024)
})

test('only a line of white space is blank: a line with other invisible characters is rejected, not skipped', () => {
  expect(decode('\u00a0\n\ufeff\n \t\r\n{}', 'ndjson').map(({ index, problem }) => [index, problem])).toEqual([
    [0, 'not_json'],
    [1, 'not_json'],
    [3, undefined],
  ])
})

test('CloudEvents are sent alone or in a batch, as their content type says', () => {
  expect(decodeBody(Buffer.from('[]'), 'cloudevent').status).toBe('not_json')
  expect(decodeBody(Buffer.from('{}'), 'cloudevent-batch').status).toBe('not_json')
  const event = { specversion: '1.0', source: 's', id: 'i', type: 'mcp_calls', subject: 'p', time: 't', data: { value: 1 } }
  expect(decode(JSON.stringify(event), 'cloudevent')[0]?.fields).toEqual({
    event_id: 's i',
    project_id: 'p',
    metric: 'mcp_calls',
    value: new NumberToken('1'),
    timestamp: 't',
  })
})

describe("a CloudEvent's id", () => {
  const idOf = (source: unknown, id: unknown) => decode(JSON.stringify({ specversion: '1.0', source, id }), 'cloudevent')[0]?.fields?.event_id

  test('the event id of a CloudEvent is its source and id, or their hash if they are longer than 128 characters', () => {
    expect(idOf('/s', 'i'.repeat(125))).toBe(`/s ${'i'.repeat(125)}`)
    expect(idOf('/s', 'i'.repeat(126))).toMatch(/^ce:[0-9a-f]{64}$/)
    expect(idOf('/s', '😀'.repeat(125))).toBe(`/s ${'😀'.repeat(125)}`)
    expect(idOf('/s', 'i'.repeat(200))).not.toBe(idOf('/si', 'i'.repeat(199)))
  })

  test('a CloudEvent whose id could become the same as another one has no event id', () => {
    for (const broken of ['\ud800', '\udfff', '\n']) {
      expect(idOf('/s', broken + 'y'.repeat(200))).toBeUndefined()
      expect(idOf(broken + 'y'.repeat(200), 'i')).toBeUndefined()
    }
    for (const [source, id] of [
      ['', 'i'],
      ['/s', ''],
      [1, 'i'],
      ['/s', null],
    ])
      expect(idOf(source, id)).toBeUndefined()
    expect(idOf('two words', 'i')).toBeUndefined()
  })
})
