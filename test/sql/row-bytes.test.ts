import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RowBytes } from '../../sql/row-bytes.ts'
import { escapeField, row } from '../../sql/tab-separated.ts'

test('rows written field by field are the bytes of the same rows as text, whatever the fields are', () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom('\\', '\t', '\n', '\r', '\0', '\b', '\f', 'a', 'é', '😀') }),
  )
  const integer = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 9, 10, 99, 100, 2 ** 31, 2 ** 32, 1_767_225_600_000, Number.MAX_SAFE_INTEGER))
  const rows = fc.array(fc.tuple(fc.array(fc.oneof(text, integer), { maxLength: 6 }), fc.array(text, { minLength: 1, maxLength: 3 })), { maxLength: 20 })
  fc.assert(
    fc.property(rows, (list) => {
      const written = new RowBytes()
      for (const [fields, last] of list) {
        for (const field of fields) typeof field === 'string' ? written.text(field) : written.integer(field)
        written.end(last.map(escapeField).join('\t'))
      }
      expect(written.toBuffer().toString('utf8')).toBe(list.map(([fields, last]) => row([...fields, ...last])).join(''))
    }),
    { numRuns: 500 },
  )
})

test('rows of more bytes than the first block are complete', () => {
  const written = new RowBytes()
  const long = '\\'.repeat(50_000)
  for (let index = 0; index < 5; index += 1) {
    written.text(long)
    written.integer(index)
    written.end('')
  }
  expect(written.toBuffer().toString()).toBe([0, 1, 2, 3, 4].map((index) => row([long, index, ''])).join(''))
})

test('a number that is no integer is never written', () => {
  for (const value of [-1, 0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY]) expect(() => new RowBytes().integer(value)).toThrow(RangeError)
})
