import { expect, test } from 'vitest'
import { STATE_RULES, type StateRule, searchStates } from './states.ts'

test('P3: whatever the order of batches, kills and late inserts, the states of last and unique have each event of raw', () => {
  const { searched, violation } = searchStates()
  console.log(`states of last and unique: ${searched} states searched`)
  expect([violation, searched > 1_000]).toEqual([undefined, true])
})

for (const [rule, meaning] of Object.entries(STATE_RULES))
  test(`without the rule that ${meaning}, a violation is found`, () => {
    expect(searchStates(rule as StateRule).violation).toContain('the states have them')
  })
