import { describe, expect, test } from 'vitest'
import { describeSwitch, protocol } from './rules.ts'
import { search } from './search.ts'
import { SHARD_CONFIGURATIONS } from './shard-configurations.ts'
import { SHARD_RULES } from './shard-rules.ts'

type Name = keyof typeof SHARD_CONFIGURATIONS

const MINUTES_10 = 600_000

/** Where a search finds the violation when a rule is taken out. */
const NEEDED: readonly (readonly [Name, keyof typeof SHARD_RULES])[] = [
  ['materialized', 'everyShard'],
  ['restored', 'outrankAfterRestore'],
  ['restoredDay', 'raiseChangesAfterRestore'],
]

describe('P2 P3: several shards, a coordinator that stops between them, and a shard that is restored from an older backup', () => {
  for (const name of Object.keys(SHARD_CONFIGURATIONS) as Name[])
    test(
      `every interleaving of "${name}" is searched, and none loses an event, counts one twice or shows an outdated total`,
      () => {
        const { violation, trace, quiet, isCut } = search({ configuration: { name, ...SHARD_CONFIGURATIONS[name] }, rules: protocol() })
        expect(violation, trace.join('\n')).toBe(undefined)
        expect([quiet > 0, isCut]).toEqual([true, false])
      },
      MINUTES_10,
    )

  for (const [name, rule] of NEEDED)
    test(
      `${describeSwitch(rule)} a violation is found`,
      () => {
        expect(search({ configuration: { name, ...SHARD_CONFIGURATIONS[name] }, rules: protocol(rule) }).violation).toBeDefined()
      },
      MINUTES_10,
    )

  test('every rule is searched', () => {
    expect(NEEDED.map(([, rule]) => rule).sort()).toEqual(Object.keys(SHARD_RULES).sort())
  })

  test('the number of changes is read before the totals on every shard, or an outdated total is shown', () => {
    const { violation } = search({ configuration: { name: 'materialized', ...SHARD_CONFIGURATIONS.materialized }, rules: protocol('numberBeforeRefresh') })
    expect(violation).toContain('the materialized day')
  })
})
