import { describe, expect, test } from 'vitest'
import { lastDueTimes, parseTiming, type Timing } from '../../../automation/schedules/due-times.ts'

function timingOf(cronSchedule: string, timezone = 'UTC'): Timing {
  const outcome = parseTiming({ cronSchedule, timezone })
  if (outcome.status === 'invalid') throw new Error(`${outcome.field}: ${outcome.problem}`)
  return outcome.timing
}

/** The due times after one instant and through another one, in UTC. */
function due(cronSchedule: string, timezone: string, [after, through]: [string, string]): string[] {
  const { dueMs } = lastDueTimes(timingOf(cronSchedule, timezone), { afterMs: Date.parse(after), throughMs: Date.parse(through), countMax: 1_000 })
  return dueMs.map((each) => new Date(each).toISOString().replace(':00.000Z', 'Z'))
}

describe('daylight saving', () => {
  test('a time inside the gap of New York is due once, at the first time after the gap', () => {
    expect(due('30 2 * * *', 'America/New_York', ['2026-03-07T00:00Z', '2026-03-10T00:00Z'])).toEqual([
      '2026-03-07T07:30Z',
      '2026-03-08T07:00Z',
      '2026-03-09T06:30Z',
    ])
    // All that the gap skips, and the time at its end, are one due time.
    expect(due('*/20 2-3 * * *', 'America/New_York', ['2026-03-08T00:00Z', '2026-03-08T23:00Z'])).toEqual([
      '2026-03-08T07:00Z',
      '2026-03-08T07:20Z',
      '2026-03-08T07:40Z',
    ])
  })

  test('the repeated hour of New York is due once, in its first pass', () => {
    expect(due('30 1 * * *', 'America/New_York', ['2026-10-31T12:00Z', '2026-11-03T00:00Z'])).toEqual(['2026-11-01T05:30Z', '2026-11-02T06:30Z'])
    expect(due('*/30 * * * *', 'America/New_York', ['2026-11-01T04:59Z', '2026-11-01T07:30Z'])).toEqual([
      '2026-11-01T05:00Z',
      '2026-11-01T05:30Z',
      '2026-11-01T07:00Z',
      '2026-11-01T07:30Z',
    ])
  })

  test('an answer during the second pass of the repeated hour is the next hour, not the first pass again', () => {
    expect(timingOf('*/10 * * * *', 'America/New_York').nextAfter(Date.parse('2026-11-01T06:25Z'))).toBe(Date.parse('2026-11-01T07:00Z'))
  })

  test('Berlin, whose clocks change at 01:00 UTC', () => {
    expect(due('30 2 * * *', 'Europe/Berlin', ['2026-03-28T00:00Z', '2026-03-31T00:00Z'])).toEqual([
      '2026-03-28T01:30Z',
      '2026-03-29T01:00Z',
      '2026-03-30T00:30Z',
    ])
    expect(due('30 2 * * *', 'Europe/Berlin', ['2026-10-24T00:00Z', '2026-10-27T00:00Z'])).toEqual([
      '2026-10-24T00:30Z',
      '2026-10-25T00:30Z',
      '2026-10-26T01:30Z',
    ])
  })

  test('Lord Howe, whose clocks change by half an hour', () => {
    // The gap is 02:00 to 02:30 on 4 October, the repetition 01:30 to 02:00 on 5 April.
    expect(due('15 2 * * *', 'Australia/Lord_Howe', ['2026-10-02T12:00Z', '2026-10-05T12:00Z'])).toEqual([
      '2026-10-02T15:45Z',
      '2026-10-03T15:30Z',
      '2026-10-04T15:15Z',
    ])
    expect(due('45 1 * * *', 'Australia/Lord_Howe', ['2026-04-03T12:00Z', '2026-04-05T23:00Z'])).toEqual([
      '2026-04-03T14:45Z',
      '2026-04-04T14:45Z',
      '2026-04-05T15:15Z',
    ])
  })

  test('a day that a zone skips is due once, at the beginning of the next one', () => {
    expect(due('0 12 * * *', 'Pacific/Apia', ['2011-12-29T12:00Z', '2011-12-31T12:00Z'])).toEqual([
      '2011-12-29T22:00Z',
      '2011-12-30T10:00Z',
      '2011-12-30T22:00Z',
    ])
  })

  test('an interval passes over a change of the clocks without a gap and without a repetition', () => {
    const { dueMs } = lastDueTimes(timingOf('20 seconds', 'America/New_York'), {
      afterMs: Date.parse('2026-11-01T05:00Z'),
      throughMs: Date.parse('2026-11-01T07:00Z'),
      countMax: 1_000,
    })
    expect(dueMs).toHaveLength(360)
  })
})

describe('the calendar', () => {
  test('29 February is due in leap years only', () => {
    expect(due('0 0 29 2 *', 'UTC', ['2026-01-01T00:00Z', '2034-01-01T00:00Z'])).toEqual(['2028-02-29T00:00Z', '2032-02-29T00:00Z'])
  })

  test('the 31st is due in months that have one, and L is the last day of each', () => {
    expect(due('0 6 31 * *', 'UTC', ['2026-01-01T00:00Z', '2026-06-30T00:00Z'])).toEqual(['2026-01-31T06:00Z', '2026-03-31T06:00Z', '2026-05-31T06:00Z'])
    expect(due('0 6 L * *', 'UTC', ['2027-12-31T23:00Z', '2028-04-30T23:00Z'])).toEqual([
      '2028-01-31T06:00Z',
      '2028-02-29T06:00Z',
      '2028-03-31T06:00Z',
      '2028-04-30T06:00Z',
    ])
  })

  test('the first of the month in a zone ahead of UTC is the last day of the month in UTC', () => {
    expect(due('0 0 1 * *', 'Asia/Tokyo', ['2026-01-15T00:00Z', '2026-03-15T00:00Z'])).toEqual(['2026-01-31T15:00Z', '2026-02-28T15:00Z'])
  })
})

describe('the last due times', () => {
  test('of ten years of seconds the last ones are found immediately, with the last one that is left out', () => {
    const throughMs = Date.parse('2026-01-01T00:00Z')
    const found = lastDueTimes(timingOf('1 seconds'), { afterMs: Date.parse('2016-01-01T00:00Z'), throughMs, countMax: 3 })
    expect(found).toEqual({ dueMs: [throughMs - 2_000, throughMs - 1_000, throughMs], leftOutThroughMs: throughMs - 3_000 })
  })

  test('a rare schedule is found far back, and nothing is left out when nothing is', () => {
    const found = lastDueTimes(timingOf('0 0 29 2 *'), { afterMs: Date.parse('2020-03-01T00:00Z'), throughMs: Date.parse('2026-01-01T00:00Z'), countMax: 5 })
    expect(found).toEqual({ dueMs: [Date.parse('2024-02-29T00:00Z')], leftOutThroughMs: undefined })
  })
})

describe('mistakes', () => {
  const problemOf = (cronSchedule: string, timezone = 'UTC') => {
    const outcome = parseTiming({ cronSchedule, timezone })
    return outcome.status === 'invalid' ? [outcome.field, outcome.problem] : 'valid'
  }

  test('six fields are rejected, and the message says what to write instead', () => {
    expect(problemOf('*/10 * * * * *')).toEqual(['cronSchedule', expect.stringMatching(/has six fields.*Leave out the first one.*"N seconds"/)])
  })

  test.each(['', '* * * *', '60 * * * *', '* 24 * * *', '* * 32 * *', '* * * 13 *', 'a b c d e', '@daily', '*/0 * * * *', '0 0 30 2 *'])(
    '"%s" names the schedule',
    (text) => {
      expect(problemOf(text)[0]).toBe('cronSchedule')
    },
  )

  test.each(['0 seconds', '60 seconds', '-5 seconds', '1.5 seconds', 'x seconds', '100 seconds'])('"%s" names the limits of an interval', (text) => {
    expect(problemOf(text)).toEqual(['cronSchedule', expect.stringContaining('from 1 to 59')])
  })

  test.each(['Mars/Olympus', '+01:00', '', 'Europe/Berlin ', 'Europe/../UTC'])('the zone "%s" is rejected', (zone) => {
    expect(problemOf('0 0 * * *', zone)[0]).toBe('timezone')
  })
})
