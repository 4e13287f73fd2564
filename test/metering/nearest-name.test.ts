import { expect, test } from 'vitest'
import { METRIC_NAMES } from '../../metering/metrics.ts'
import { didYouMean, nearestName } from '../../metering/nearest-name.ts'

test.each([
  ['ai_token', 'ai_tokens'],
  ['AI_TOKENS', 'ai_tokens'],
  ['ai_tokesn', 'ai_tokens'],
  ['databse_size_byte', 'database_size_bytes'],
  ['egres', 'egress_bytes'],
  ['file', 'file_storage_bytes'],
  ['ai', undefined],
  ['requests', undefined],
  ['x', undefined],
  ['', undefined],
  ['a'.repeat(10_000), undefined],
])('the name nearest to %j is %j', (text, name) => {
  expect(nearestName(text, METRIC_NAMES)).toBe(name)
})

test('a question is asked only about a text that is near a name', () => {
  expect([didYouMean('mcp_call', METRIC_NAMES), didYouMean('nothing', METRIC_NAMES), didYouMean(7, METRIC_NAMES)]).toEqual([
    ' Did you mean "mcp_calls"?',
    '',
    '',
  ])
})
