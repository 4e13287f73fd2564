import fc from 'fast-check'
import { expect, test } from 'vitest'
import { byteDaysOf } from '../../metering/byte-days.ts'
import { addDecimals, quotientOf } from '../../metering/exact-decimal.ts'
import { GB_BYTES, gbMonthOf } from '../../metering/gb-month.ts'
import { periodOfMonth } from '../../metering/month.ts'

/** Up to 29 integer and 9 fraction digits. */
const quantity = fc
  .tuple(fc.bigInt({ min: 0n, max: 10n ** 29n - 1n }), fc.integer({ min: 1, max: 999_999_999 }))
  .map(([whole, fraction]) => addDecimals(`${whole}.${String(fraction).padStart(9, '0')}`, '0'))
const DAY = fc.record({
  metric: fc.constantFrom('database_size_bytes', 'file_storage_bytes', 'seats', 'ai_tokens'),
  value: quantity,
})
const measured = ({ metric, value }: { metric: string; value: string }) => ({
  ...{ metric, value, unit: metric === 'seats' ? 'seat' : 'byte' },
  kind: metric === 'ai_tokens' ? ('cumulative' as const) : ('peak' as const),
})

test('byte-days add up over the parts of a period, and so do the days with samples', () => {
  fc.assert(
    fc.property(fc.array(DAY), fc.array(DAY), (before, after) => {
      const parts = [byteDaysOf(before.map(measured)), byteDaysOf(after.map(measured))].flat()
      for (const { metric, value, daysWithSamples } of byteDaysOf([...before, ...after].map(measured))) {
        const ofMetric = parts.filter((each) => each.metric === metric)
        expect(ofMetric.reduce((sum, each) => addDecimals(sum, each.value), '0')).toBe(value)
        expect(ofMetric.reduce((days, each) => days + each.daysWithSamples, 0)).toBe(daysWithSamples)
      }
    }),
  )
})

test('only peak metrics have byte-days; a documented one without samples has 0, another is left out', () => {
  expect(byteDaysOf([{ metric: 'ai_tokens', kind: 'cumulative', unit: 'token', value: '5' }])).toEqual([
    { metric: 'database_size_bytes', unit: 'byte', value: '0', daysWithSamples: 0 },
    { metric: 'file_storage_bytes', unit: 'byte', value: '0', daysWithSamples: 0 },
  ])
  const seats = byteDaysOf([measured({ metric: 'seats', value: '2' }), measured({ metric: 'database_size_bytes', value: '0' })])
  expect(seats.map(({ metric, value, daysWithSamples }) => [metric, value, daysWithSamples])).toEqual([
    ['database_size_bytes', '0', 1],
    ['file_storage_bytes', '0', 0],
    ['seats', '2', 1],
  ])
})

test('a quotient is rounded half up, from the exact fraction', () => {
  fc.assert(
    fc.property(quantity, fc.bigInt({ min: 1n, max: 10n ** 12n }), fc.integer({ min: 0, max: 9 }), (decimal, divisor, digits) => {
      const billionths = (text: string) => BigInt(text.split('.')[0] ?? '') * 10n ** 9n + BigInt((text.split('.')[1] ?? '').padEnd(9, '0'))
      // The error times the divisor: at most half a step, and never exactly half a step below.
      const error = billionths(quotientOf(decimal, divisor, digits)) * divisor - billionths(decimal)
      const halfStep = 10n ** BigInt(9 - digits) * divisor
      expect(2n * error <= halfStep && 2n * error > -halfStep).toBe(true)
    }),
  )
  expect([quotientOf('5', 2n, 0), quotientOf('-5', 2n, 0), quotientOf('1', 3n, 6), quotientOf('2', 3n, 6)]).toEqual(['3', '-3', '0.333333', '0.666667'])
})

test('GB-months divide by the days of the month and by the chosen size of a GB; bytes of one month only', () => {
  const [decimalGb, binaryGb] = GB_BYTES
  const february = periodOfMonth('2028-02')
  const byteDays = { unit: 'byte', value: String(29n * 2n ** 30n) }
  expect(gbMonthOf(byteDays, february, binaryGb)).toEqual({ shown: '1', gbBytes: 1_073_741_824, daysOfMonth: 29 })
  expect(gbMonthOf(byteDays, february, decimalGb)).toEqual({ shown: '1.073742', gbBytes: 1_000_000_000, daysOfMonth: 29 })
  // A part of a month is divided by all of its days, so that parts are comparable.
  expect(gbMonthOf(byteDays, { ...february, last: '2028-02-10' }, binaryGb)?.daysOfMonth).toBe(29)
  expect(gbMonthOf(byteDays, { ...february, last: '2028-03-01' }, binaryGb)).toBeUndefined()
  expect(gbMonthOf({ unit: 'seat', value: '29' }, february, binaryGb)).toBeUndefined()
})
