import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatTimestamp, parseTimestamp } from '../../metering/timestamp.ts'

test('every instant is parsed from its text in every time zone', () => {
  fc.assert(
    fc.property(fc.integer({ min: Date.UTC(1970, 0, 1), max: Date.UTC(2100, 0, 1) }), fc.integer({ min: -1439, max: 1439 }), (instantMs, offsetMinutes) => {
      expect(parseTimestamp(new Date(instantMs).toISOString())).toBe(instantMs)
      expect(parseTimestamp(formatTimestamp(instantMs))).toBe(instantMs)
      const zone = `${offsetMinutes < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offsetMinutes) / 60))}:${two(Math.abs(offsetMinutes) % 60)}`
      expect(parseTimestamp(new Date(instantMs + offsetMinutes * 60_000).toISOString().replace('Z', zone))).toBe(instantMs)
    }),
  )
})

test('a timestamp is accepted exactly if its day exists in the calendar', () => {
  for (let day = 0; day <= 32; day += 1) {
    for (let month = 0; month <= 13; month += 1) {
      for (const year of [1900, 2000, 2024, 2025, 2026]) {
        const date = new Date(Date.UTC(year, month - 1, day))
        const exists = date.getUTCMonth() === month - 1 && date.getUTCDate() === day
        expect(parseTimestamp(`${year}-${two(month)}-${two(day)}T00:00:00Z`) !== undefined).toBe(exists)
      }
    }
  }
})

test('the years before 1000 are parsed as written', () => {
  for (const year of ['0000', '0001', '0026', '0099', '0100', '9999'])
    expect(new Date(parseTimestamp(`${year}-03-01T00:00:00Z`) ?? 0).toISOString()).toBe(`${year}-03-01T00:00:00.000Z`)
})

test('fractions beyond a millisecond are cut, and t and z may be lower case', () => {
  expect(parseTimestamp('2026-01-01T00:00:00.1239999999999999Z')).toBe(Date.UTC(2026, 0, 1, 0, 0, 0, 123))
  expect(parseTimestamp('2026-01-01t00:00:00.123999999z')).toBe(Date.UTC(2026, 0, 1, 0, 0, 0, 123))
  expect(parseTimestamp('2026-01-01T00:00:00.5Z')).toBe(Date.UTC(2026, 0, 1, 0, 0, 0, 500))
  expect(parseTimestamp('2026-01-01T00:00:00-00:00')).toBe(Date.UTC(2026, 0, 1))
})

test.each([
  '2026-01-01',
  '2026-01-01T00:00:00',
  '2026-01-01 00:00:00Z',
  '2026-01-01T24:00:00Z',
  '2026-01-01T00:60:00Z',
  '2016-12-31T23:59:60Z',
  '2026-01-01T00:00:00+24:00',
  '2026-01-01T00:00:00+0100',
  '2026-01-01T00:00Z',
  '20260101T000000Z',
  '2026-01-01T00:00:00.Z',
  '+002026-01-01T00:00:00Z',
  'now',
  '',
  ' 2026-01-01T00:00:00Z',
  '1767225600',
])('%j is not an RFC 3339 date-time with a zone', (text) => {
  expect(parseTimestamp(text)).toBeUndefined()
})

function two(number: number): string {
  return String(number).padStart(2, '0')
}
