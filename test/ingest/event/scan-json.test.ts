import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeEvent } from '../../../ingest/event/decode-body.ts'
import { failureAt, isFailure, skipSpace, skipValue } from '../../../ingest/event/scan-json.ts'
import { NumberToken } from '../../../metering/quantity.ts'

/** Whether the scanner accepts a text as one JSON document. */
function accepts(text: string): boolean {
  const latin1 = Buffer.from(text, 'utf8').toString('latin1')
  const end = skipValue(latin1, skipSpace(latin1, 0))
  return !isFailure(end) && skipSpace(latin1, end) === latin1.length
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Pieces of JSON, right and wrong, so that random sequences of them are often nearly JSON. */
const PIECES = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"a"',
  '"value"',
  '"\\u00e9"',
  '"\\x"',
  '"\\u12g4"',
  '"é😀"',
  '"',
  '\\',
  '1',
  '-1.5e+3',
  '01',
  '-',
  '1.',
  '.5',
  '1e',
  'true',
  'nul',
  'null',
  ' ',
  '\n',
  '\u00a0',
  '\u0001',
]

describe('the scanner accepts exactly what JSON.parse accepts', () => {
  test('for any JSON', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(3), (text, indent) => {
        expect(accepts(JSON.stringify(JSON.parse(text), null, indent))).toBe(true)
      }),
    )
  })

  test('for texts that are nearly JSON', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }), (pieces) => {
        expect([pieces, accepts(pieces.join(''))]).toEqual([pieces, isJson(pieces.join(''))])
      }),
      { numRuns: 2_000 },
    )
  })

  test('for JSON of which one character is removed, doubled or replaced', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.constantFrom('', ...PIECES), (json, at, piece) => {
        const position = at % json.length
        const text = json.slice(0, position) + piece + json.slice(position + 1)
        expect([text, accepts(text)]).toEqual([text, isJson(text)])
      }),
      { numRuns: 2_000 },
    )
  })
})

test('P6: the fields of an event are those that JSON.parse gives, whatever else it has and however its names and texts are written', () => {
  const member = fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.constantFrom(true, null), fc.jsonValue())
  const name = fc.oneof(fc.constantFrom('event_id', 'project_id', 'metric', 'value', 'timestamp', '__proto__', 'source'), fc.string())
  const escaped = (text: string) => JSON.stringify(text).replace(/[a-z]/g, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`)
  fc.assert(
    fc.property(fc.array(fc.tuple(name, member, fc.boolean()), { maxLength: 8 }), (members) => {
      const text = `{${members.map(([key, value, isEscaped]) => `${isEscaped && !key.includes('\\') ? escaped(key) : JSON.stringify(key)}: ${JSON.stringify(value)}`).join(' ,')}}`
      if (!text.isWellFormed()) return
      const parsed = JSON.parse(text)
      const fields = decodeEvent(Buffer.from(text, 'utf8')).fields
      for (const key of ['event_id', 'project_id', 'metric', 'value', 'timestamp'] as const) {
        const expected = Object.hasOwn(parsed, key) ? parsed[key] : undefined
        if (typeof expected === 'string') expect(fields?.[key]).toBe(expected)
        else if (typeof expected === 'number') expect(fields?.[key]).toEqual(new NumberToken(JSON.stringify(expected)))
        else expect(typeof fields?.[key]).not.toBe('string')
      }
    }),
    { numRuns: 300 },
  )
})

test.each([
  ['{"a":NaN}', 5],
  ['{"a":1,}', 7],
  ['{"a" 1}', 5],
  ['[1,[2,{"x":"\\q"}]]', 13],
  ['"abc', 4],
  ['[01]', 1],
  ['[1.]', 3],
  ['', 0],
])('the first error of %j is found at byte %i', (text, at) => {
  expect(failureAt(skipValue(text, 0))).toBe(at)
})
