import { describe, expect, test } from 'vitest'
import { currentSigningKey, type KeyTimes, nextKid, PUBLISH_LEAD_MS, RETIRE_MARGIN_MS, stateOf } from '../../../registry/keys/key-states.ts'

const NOON_MS = Date.UTC(2026, 0, 31, 12)

describe('states of signing keys', () => {
  const key = (kid: string, createdMs: number, signsFromMs = createdMs, withdrawnMs: number | null = null): KeyTimes => ({
    kid,
    createdMs,
    signsFromMs,
    withdrawnMs,
  })
  const states = (keys: readonly KeyTimes[], nowMs: number) => keys.map((each) => stateOf(keys, each, nowMs))

  test('the states of keys depend on stored times and the current time alone, not on the order of the keys', () => {
    const keys = [key('a', 0), key('b', 1_000, 1_000 + PUBLISH_LEAD_MS), key('c', 2_000, 2_000 + PUBLISH_LEAD_MS)]
    const successionMs = 1_000 + PUBLISH_LEAD_MS
    const retiredMs = successionMs + 600_000 + RETIRE_MARGIN_MS
    for (const [nowMs, expected] of [
      [0, ['signing', 'next', 'next']],
      [successionMs - 1, ['signing', 'next', 'next']],
      [successionMs, ['retiring', 'signing', 'next']],
      [successionMs + 1_000, ['retiring', 'retiring', 'signing']],
      [retiredMs - 1, ['retiring', 'retiring', 'signing']],
      [retiredMs, ['retired', 'retiring', 'signing']],
      [retiredMs + 1_000, ['retired', 'retired', 'signing']],
    ] as const) {
      expect(states(keys, nowMs)).toEqual(expected)
      expect(states([...keys].reverse(), nowMs)).toEqual([...expected].reverse())
    }
  })

  test('a withdrawn key never signs, and the only other key signs even when the clock is behind its creation', () => {
    const keys = [key('a', 0, 0, 5_000), key('b', 5_000)]
    expect(states(keys, 4_000)).toEqual(['withdrawn', 'signing'])
    expect(currentSigningKey([key('a', 0, 0, 5_000)], 9_000)).toBeUndefined()
    expect(currentSigningKey([], 0)).toBeUndefined()
  })

  test('a kid contains the day in UTC, and no kid is used twice', () => {
    expect(nextKid([], NOON_MS)).toBe('meterline-key-2026-01-31')
    const first = key('meterline-key-2026-01-31', NOON_MS, NOON_MS, NOON_MS)
    expect(nextKid([first], NOON_MS)).toBe('meterline-key-2026-01-31-2')
    expect(nextKid([first, key('meterline-key-2026-01-31-2', NOON_MS)], NOON_MS)).toBe('meterline-key-2026-01-31-3')
    expect(nextKid([first], Date.UTC(2026, 1, 1) - 1)).toBe('meterline-key-2026-01-31-2')
    expect(nextKid([first], Date.UTC(2026, 1, 1))).toBe('meterline-key-2026-02-01')
  })
})
