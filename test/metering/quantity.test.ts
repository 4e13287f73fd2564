import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NumberToken, parseQuantity } from '../../metering/quantity.ts'

describe('P6: a quantity is exact or rejected', () => {
  test('a decimal string keeps its value and loses its trailing zeros', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 38n - 1n }), (billionths) => {
        const digits = billionths.toString().padStart(10, '0')
        const text = `${digits.slice(0, -9)}.${digits.slice(-9)}`
        const quantity = parseQuantity(text)
        expect(quantity).toMatch(/^(0|[1-9]\d*)(\.\d*[1-9])?$/)
        expect(inBillionths(quantity ?? '')).toBe(billionths)
      }),
    )
  })

  test('a JSON number is accepted with its exact value if every parser reads it as the same value', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999_999_999_999_999 }), fc.integer({ min: -20, max: 14 }), (digits, exponent) => {
        const quantity = parseQuantity(new NumberToken(`${digits}e${exponent}`))
        const scaled = exponent >= -9 ? BigInt(digits) * 10n ** BigInt(exponent + 9) : undefined
        if (quantity !== undefined) expect(inBillionths(quantity)).toBe(scaled ?? BigInt(digits) / 10n ** BigInt(-exponent - 9))
        if (scaled !== undefined) expect(quantity).toBeDefined()
      }),
    )
  })

  test('a parsed number and its text give the same quantity', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e15, noNaN: true }), (value) => {
        if (!Object.is(value, -0)) expect(parseQuantity(value)).toBe(parseQuantity(new NumberToken(String(value))))
      }),
    )
  })

  test.each(['', ' 1', '1 ', '+1', '-1', '-0', '.5', '1.', '01', '1e3', '0x1', 'Infinity', 'NaN', '1,5', '1'.repeat(30), '0.1234567890', '１'])(
    'the string %j is not a quantity',
    (text) => {
      expect(parseQuantity(text)).toBeUndefined()
    },
  )

  test.each([
    '9007199254740993',
    '1234567890123456.5',
    '-1',
    '-0',
    '-0.0',
    '1e29',
    '1e-10',
    '1e999',
    '1e99999',
    '0e9999',
    `0.${'0'.repeat(400)}7e401`,
    '1e999999',
    '1e-99999',
    '0.1234567890',
    '1.00000000000000001',
  ])('the number %s is not a quantity', (text) => {
    expect(parseQuantity(new NumberToken(text))).toBeUndefined()
  })

  test.each([
    ['9007199254740992', '9007199254740992'],
    ['1e28', `1${'0'.repeat(28)}`],
    ['1.50', '1.5'],
    ['0.000000001', '0.000000001'],
    ['0e5', '0'],
    ['12.5E1', '125'],
    ['1e0000000002', '100'],
    ['5e-0009', '0.000000005'],
    ['0e999', '0'],
    [`0.${'0'.repeat(300)}7e301`, '7'],
  ])('the number %s is the quantity %s', (text, expected) => {
    expect(parseQuantity(new NumberToken(text))).toBe(expected)
  })

  test.each([undefined, null, true, {}, [], ['1'], Number.NaN, Number.POSITIVE_INFINITY, -1, -0, 1n])('%s is not a quantity', (value) => {
    expect(parseQuantity(value)).toBeUndefined()
  })
})

function inBillionths(quantity: string): bigint {
  const [integer = '', fraction = ''] = quantity.split('.')
  return BigInt(integer) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
}
