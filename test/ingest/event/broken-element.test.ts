import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeBody } from '../../../ingest/event/decode-body.ts'

function decode(body: string) {
  const decoded = decodeBody(Buffer.from(body), 'json')
  return decoded.status === 'decoded' ? decoded.arrivals.map(({ problem, original }) => [problem, original().toString()]) : decoded.status
}

const [FIRST, LAST] = ['{"event_id":"a"}', '{"event_id":"z"}']

test.each([
  '{"value":NaN}',
  '{"value": -Infinity, "x": [undefined, 0x1F, {"y": .5}]}',
  '{"a":1,}',
  '{"a":"line\nfeed"}',
  '{"a":"\\x00"}',
  '{"value":01}',
  '[1,]',
  'None',
  '{"a":[1,2,]}',
])('P7: an element that is not JSON is rejected alone where its bounds are certain: %j', (broken) => {
  expect(decode(`[${FIRST}, ${broken} ,${LAST}]`)).toEqual([
    [undefined, FIRST],
    ['not_json', broken],
    [undefined, LAST],
  ])
})

test.each([
  ['a missing quote', '{"a":"x}'],
  ['a quote too many', '{"a":"x"y"}'],
  ['two quotes too many', '{"a":"say "hi" there"}'],
  ['a quote that is missing at the begin', '{a":"x"}'],
  ['a bracket of another kind', '{"a":[1}'],
  ['brackets in the wrong order', '{"a":[1}]'],
  ['a missing bracket', '{"a":{"b":1}'],
  ['a bracket too many', '{"a":1}}'],
  ['a missing comma before a name', '{"a":"x" "b":1}'],
  ['a quote too many after a number', '{"a":1"b":2}'],
  ['a comment', "{/* it's */}"],
  ['a single quote', "{'a':1}"],
  ['nothing', ''],
  ['a missing comma between two events', '{"a":1} {"b":2}'],
])('P7: a body is rejected as a whole if the bounds of an element would be a guess: %s', (_, broken) => {
  expect(decode(`[${FIRST},${broken},${LAST}]`)).toBe('not_json')
  expect(decode(`[${FIRST},${broken}]`)).toBe('not_json')
})

test('P7: one or two wrong characters in an event never swallow its neighbours: they are decoded, or the whole body is rejected', () => {
  const text = fc.stringMatching(/^["\\,:{}[\]a1 \n]{0,8}$/)
  const event = fc.record({
    event_id: text,
    note: text,
    list: fc.array(fc.oneof(text, fc.nat()), { maxLength: 2 }),
    inner: fc.dictionary(text, fc.nat(), { maxKeys: 2 }),
  })
  const wrong = fc.array(fc.tuple(fc.nat(), fc.boolean(), fc.constantFrom('', '"', '\\', ',', ':', '{', '}', '[', ']', 'x')), { minLength: 1, maxLength: 2 })
  fc.assert(
    fc.property(fc.array(event, { minLength: 3, maxLength: 5 }), fc.nat(), wrong, (events, chosen, faults) => {
      const texts = events.map((each) => JSON.stringify(each))
      const index = chosen % texts.length
      let broken = texts[index] ?? ''
      // The first character stays, so that it is an element at all.
      for (const [position, isInserted, piece] of faults) {
        const at = 1 + (position % (broken.length - 1))
        broken = broken.slice(0, at) + piece + broken.slice(isInserted ? at : at + 1)
      }
      const decoded = decode(`[${texts.map((each, at) => (at === index ? broken : each)).join(',')}]`)
      if (decoded === 'not_json') return
      const whole = [texts.slice(0, index), texts.slice(index + 1)].map((some) => some.map((each) => [undefined, each]))
      expect([decoded.slice(0, index), decoded.slice(decoded.length - (texts.length - index - 1))]).toEqual(whole)
    }),
    { numRuns: 2_000 },
  )
})

test('P7: the message of a body that is not JSON names the byte and the index of the first error that ends it', () => {
  const whole = (body: string | Buffer) => decodeBody(Buffer.from(body as string), 'json')
  expect(whole('{"a":NaN}')).toMatchObject({ message: expect.stringContaining('at byte 5, counted from 0.') })
  expect(whole(`[${FIRST},{"a":"x"y"}]`)).toMatchObject({ message: expect.stringMatching(/at byte 26, .* after the event at index 1\./) })
  expect(whole(Buffer.concat([Buffer.from('{"é":"'), Buffer.from([0xe2, 0x28, 0xa1]), Buffer.from('"}')]))).toMatchObject({
    message: expect.stringContaining('at byte 7,'),
  })
  expect(whole(`\ufeff[${FIRST},{"a":"x"y"}]`)).toMatchObject({ message: expect.stringContaining('at byte 29,') })
  expect(whole('\ufeff{"a":NaN}')).toMatchObject({ message: expect.stringContaining('at byte 8,') })
})

test('P7: an element that is not UTF-8 is rejected alone, with the place', () => {
  const body = Buffer.concat([Buffer.from(`[${FIRST},{"event_id":"é`), Buffer.from([0xff, 0xfe]), Buffer.from(`"},${LAST}]`)])
  const decoded = decodeBody(body, 'json')
  expect(decoded.status === 'decoded' && decoded.arrivals.map(({ problem, errorAt }) => [problem, errorAt])).toEqual([
    [undefined, undefined],
    ['not_json', 15],
    [undefined, undefined],
  ])
})
