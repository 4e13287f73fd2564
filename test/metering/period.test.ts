import { describe, expect, test } from 'vitest'
import { isDay, PERIOD_DAYS_MAX, parsePeriod } from '../../metering/period.ts'

const now = Date.UTC(2026, 2, 1, 23, 59, 59, 999)

describe('a period', () => {
  test('a period defaults to the seven days before today in UTC, whatever the time zone of the machine', () => {
    expect(parsePeriod({}, now)).toEqual({ status: 'valid', period: { first: '2026-02-22', last: '2026-03-01', end: '2026-03-02' } })
    expect(parsePeriod({}, now + 1)).toMatchObject({ period: { last: '2026-03-02' } })
    expect(parsePeriod({ end: '2024-03-01' }, now)).toMatchObject({ period: { first: '2024-02-23', last: '2024-03-01', end: '2024-03-02' } })
  })

  test(`a period has at least one and at most ${PERIOD_DAYS_MAX} days, also in leap years`, () => {
    expect(parsePeriod({ start: '2026-03-01', end: '2026-03-01' }, now)).toMatchObject({ period: { end: '2026-03-02' } })
    expect(parsePeriod({ start: '2024-01-01', end: '2024-12-31' }, now).status).toBe('valid')
    expect(parsePeriod({ start: '2025-01-01', end: '2026-01-02' }, now)).toEqual({ status: 'invalid', problem: expect.stringContaining('this one has 367') })
    expect(parsePeriod({ start: '2026-03-02', end: '2026-03-01' }, now).status).toBe('invalid')
    expect(parsePeriod({ start: '2026-03-02' }, now)).toMatchObject({ problem: 'start_date 2026-03-02 is after end_date 2026-03-01.' })
  })
})

test.each(['2026-02-29', '2026-13-01', '2026-00-10', '2026-01-32', '2026-1-1', '26-01-01', '2026-01-01T00:00:00Z', '1969-12-31', '2149-01-01', '', 'today'])(
  '%j is not a calendar day',
  (text) => {
    expect(isDay(text)).toBe(false)
  },
)

test.each(['2024-02-29', '1970-01-01', '2148-12-31'])('%s is a calendar day', (text) => {
  expect(isDay(text)).toBe(true)
})
