import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { readAnswer } from '../../contract/answer.ts'
import { ExactNumber } from '../../contract/fields.ts'
import { stringifyExactJson } from '../../metering/exact-json.ts'
import { NumberToken } from '../../metering/quantity.ts'

const Answer = z.object({
  value: ExactNumber,
  events: z.number().int(),
  own_max: ExactNumber.nullable(),
  days: z.array(z.object({ value: ExactNumber })).optional(),
})

test('P6: a client reads every quantity with all its digits, and counts as numbers', () => {
  const text = '{"value":12345678901234567890.123456789,"events":42,"own_max":null,"days":[{"value":0.3},{"value":734003200}]}'
  const answer = readAnswer(Answer, text)
  expect([answer.value.text, answer.events, answer.own_max, answer.days?.map(({ value }) => value.text)]).toEqual([
    '12345678901234567890.123456789',
    42,
    null,
    ['0.3', '734003200'],
  ])
})

test('P6: what the server writes a client reads back, to the last digit', () => {
  const decimals = fc
    .tuple(fc.bigInt({ min: 0n, max: 10n ** 29n - 1n }), fc.nat(999_999_999))
    .map(([integer, fraction]) => (fraction === 0 ? String(integer) : `${integer}.${String(fraction).padStart(9, '0').replace(/0+$/, '')}`))
  fc.assert(
    fc.property(decimals, fc.nat(), (value, events) => {
      const written = stringifyExactJson(z.encode(Answer, { value: new NumberToken(value), events, own_max: null }))
      const read = readAnswer(Answer, written)
      expect([read.value.text, read.events]).toEqual([value, events])
    }),
  )
})

test('P6: the server cannot write a float where a quantity belongs', () => {
  expect(() => z.encode(Answer, { value: 0.1 as unknown as NumberToken, events: 1, own_max: null })).toThrow()
})

test('an answer of another shape is an error, never a default', () => {
  expect(() => readAnswer(Answer, '{"value":1,"own_max":null}')).toThrow()
  expect(() => readAnswer(Answer, '{"value":"1","events":1,"own_max":null}')).toThrow()
})
