import { expect, test } from 'vitest'
import { combineDays } from '../../../aggregator/usage/combine-days.ts'
import { projectMonth } from '../../../aggregator/usage/project-month.ts'
import { METRICS, type MetricName } from '../../../metering/metrics.ts'

const usageOf = (...days: readonly (readonly [day: string, metric: MetricName, value: string])[]) => ({
  asOfMs: null,
  ...combineDays(days.map(([day, metric, value]) => ({ day, metric, ...METRICS[metric], value, events: 1 }))),
})

test('a cumulative metric goes on with the mean of the complete days, days without usage included; a peak stays', () => {
  const usage = usageOf(
    ['2026-02-02', 'ai_tokens', '10'],
    ['2026-02-02', 'database_size_bytes', '7'],
    ['2026-02-07', 'ai_tokens', '4'],
    ['2026-02-08', 'ai_tokens', '1'],
  )
  const projected = projectMonth(usage, '2026-02', Date.UTC(2026, 1, 8, 9))
  expect(projected.get('ai_tokens')).toEqual({ value: '56', method: 'mean_of_complete_days', fromDays: 7 })
  expect(projected.get('database_size_bytes')).toEqual({ value: '7', method: 'greatest_day', fromDays: 7 })
  expect(projected.get('mcp_calls')).toEqual({ value: '0', method: 'mean_of_complete_days', fromDays: 7 })
})

test('it is exact beyond 2^53, is cut after nine digits, and is never below what is used already', () => {
  const large = usageOf(['2026-02-01', 'ai_tokens', '99999999999999999999.000000001'])
  expect(projectMonth(large, '2026-02', Date.UTC(2026, 1, 4)).get('ai_tokens')?.value).toBe('933333333333333333324.000000009')
  const today = usageOf(['2026-02-01', 'ai_tokens', '1'], ['2026-02-02', 'ai_tokens', '500'])
  expect(projectMonth(today, '2026-02', Date.UTC(2026, 1, 2, 9)).get('ai_tokens')?.value).toBe('501')
})

test('before the first complete day nothing is projected, and a complete month is what was used', () => {
  const usage = usageOf(['2026-02-01', 'ai_tokens', '5'])
  for (const asOfMs of [null, Date.UTC(2026, 0, 31), Date.UTC(2026, 1, 1, 23)]) expect(projectMonth(usage, '2026-02', asOfMs).get('ai_tokens')).toBeNull()
  expect(projectMonth(usage, '2026-02', Date.UTC(2026, 2, 1)).get('ai_tokens')).toEqual({ value: '5', method: 'mean_of_complete_days', fromDays: 28 })
})
