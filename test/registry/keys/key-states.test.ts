import { describe, expect, test } from 'vitest'
import { currentSigningKey, type KeyTimes, nextKid, PUBLISH_LEAD_MS, RETIRE_MARGIN_MS, stateOf } from '../../../registry/keys/key-states.ts'

const NOON_MS = Date.UTC(2026, 0, 31, 12)

describe('which key signs', () => {
  const key = (kid: string, createdMs: number, signsFromMs = createdMs, withdrawnMs: number | null = null): KeyTimes => ({
    kid,
    createdMs,
    signsFromMs,
    withdrawnMs,
  })
  const states = (keys: readonly KeyTimes[], nowMs: number) => keys.map((each) => stateOf(keys, each, nowMs))

  test('follows from the stored times and now alone, whatever order they are read in', () => {
    const keys = [key('a', 0), key('b', 1_000, 1_000 + PUBLISH_LEAD_MS), key('c', 2_000, 2_000 + PUBLISH_LEAD_MS)]
    const takesOver = 1_000 + PUBLISH_LEAD_MS
    const ends = takesOver + 600_000 + RETIRE_MARGIN_MS
    for (const [nowMs, expected] of [
      [0, ['signing', 'next', 'next']],
      [takesOver - 1, ['signing', 'next', 'next']],
      [takesOver, ['retiring', 'signing', 'next']],
      [takesOver + 1_000, ['retiring', 'retiring', 'signing']],
      [ends - 1, ['retiring', 'retiring', 'signing']],
      [ends, ['retired', 'retiring', 'signing']],
      [ends + 1_000, ['retired', 'retired', 'signing']],
    ] as const) {
      expect(states(keys, nowMs)).toEqual(expected)
      expect(states([...keys].reverse(), nowMs)).toEqual([...expected].reverse())
    }
  })

  test('is never a withdrawn one, and the first one even where the clock is behind the one that made it', () => {
    const keys = [key('a', 0, 0, 5_000), key('b', 5_000)]
    expect(states(keys, 4_000)).toEqual(['withdrawn', 'signing'])
    expect(currentSigningKey([key('a', 0, 0, 5_000)], 9_000)).toBeUndefined()
    expect(currentSigningKey([], 0)).toBeUndefined()
  })

  test('has a name of its day in UTC, and no name is used twice', () => {
    expect(nextKid([], NOON_MS)).toBe('meterline-key-2026-01-31')
    const first = key('meterline-key-2026-01-31', NOON_MS, NOON_MS, NOON_MS)
    expect(nextKid([first], NOON_MS)).toBe('meterline-key-2026-01-31-2')
    expect(nextKid([first, key('meterline-key-2026-01-31-2', NOON_MS)], NOON_MS)).toBe('meterline-key-2026-01-31-3')
    expect(nextKid([first], Date.UTC(2026, 1, 1) - 1)).toBe('meterline-key-2026-01-31-2')
    expect(nextKid([first], Date.UTC(2026, 1, 1))).toBe('meterline-key-2026-02-01')
  })
})
