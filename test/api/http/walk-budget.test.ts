import { expect, test } from 'vitest'
import { WalkBudget } from '../../../api/http/walk-budget.ts'

test('a partner that begins walks over long lists waits until its rows of a minute are free again, and others do not', () => {
  let nowMs = 0
  const budget = new WalkBudget({ rowsPerMinute: 600, nowMs: () => nowMs })
  budget.spend('ps_a', 900)
  expect(() => budget.spend('ps_a', 1)).toThrow(expect.objectContaining({ code: 'RATE_LIMITED', retryAfterSeconds: 31 }))
  budget.spend('ps_b', 1)
  nowMs = 31_000
  budget.spend('ps_a', 1)
  expect(() => new WalkBudget({ rowsPerMinute: 1, nowMs: () => 0 }).spend('ps_a', 1_000_000)).not.toThrow()
})
