import { expect, test } from 'vitest'
import { BackOff } from '../../../ingest/log/back-off.ts'

test('the delay doubles with every failure up to the maximum, and starts again after a success', () => {
  const backOff = new BackOff({ retryAfterMsMin: 100, retryAfterMsMax: 500 })
  expect([backOff.next(), backOff.next(), backOff.next(), backOff.next(), backOff.next()]).toEqual([100, 200, 400, 500, 500])
  backOff.reset()
  expect(backOff.next()).toBe(100)
})
