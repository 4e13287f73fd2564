import { afterAll, describe, expect, test } from 'vitest'
import { Random } from '../support/random.ts'
import { WINDOW_RULES } from './correction-rules.ts'
import { type AnySwitch, describeSwitch, protocol } from './rules.ts'
import { type Searched, search, walk } from './search.ts'
import { LARGE_WINDOW_CONFIGURATION, WINDOW_CONFIGURATIONS } from './window-configurations.ts'

type Name = keyof typeof WINDOW_CONFIGURATIONS

/** Small enough to be searched in a second or two each. With MODEL_ALL=1 all configurations are searched. */
const SEARCHED: readonly Name[] = ['held', 'lateHeld', 'empty', 'sameIdentity', 'closedTwice', 'reverted', 'amendedAfter', 'replayed', 'http', 'switch', 'day']

/** Where a search finds the violation when a rule is taken out, or a fault is added. */
const NEEDED: readonly (readonly [Name, AnySwitch])[] = [
  ['held', 'heldDoNotCount'],
  ['sameIdentity', 'heldIsNoCopy'],
  ['held', 'waitingIsUnknown'],
  ['lateHeld', 'rejectAfterClose'],
  ['closedKill', 'windowAlone'],
  ['empty', 'markWindow'],
  ['reverted', 'revertToBefore'],
]

/** Rules of the protocol and of corrections that the replacement of a window needs as well. */
const NEEDED_BEFORE: readonly (readonly [Name, AnySwitch])[] = [
  ['closedAbort', 'splitCorrections'],
  ['closedAbort', 'reconcileCorrections'],
  ['http', 'monthsOfCorrections'],
  ['http', 'fenceCorrections'],
  ['day', 'changeInReconciling'],
  ['billed', 'billRecords'],
]

const ALL = process.env['MODEL_ALL'] === '1'
const MINUTES_10 = 600_000
const WALKS = Number(process.env['MODEL_WALKS'] ?? 40)

let [searches, states] = [0, 0]

function searched(name: Name, ...changed: readonly AnySwitch[]): Searched {
  const found = search({ configuration: { name, ...WINDOW_CONFIGURATIONS[name] }, rules: protocol(...changed) })
  searches += 1
  states += found.states
  return found
}

afterAll(() => console.log(`windows: ${states} states searched in ${searches} searches`))

describe('P1 P2 P3 P4: no order of events, batches and kills within the bounds breaks a promise', () => {
  for (const name of ALL ? (Object.keys(WINDOW_CONFIGURATIONS) as Name[]) : SEARCHED)
    test(
      `every interleaving of "${name}" is searched, and a window has its events or those of its batch, never a part of both`,
      () => {
        const { violation, trace, quiet, isCut } = searched(name)
        expect(violation, trace.join('\n')).toBe(undefined)
        expect([quiet > 0, isCut]).toEqual([true, false])
      },
      MINUTES_10,
    )

  test(
    `${WALKS} random walks replace a window once`,
    () => {
      const seed = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)
      const { next: random } = new Random(seed)
      const { violation, trace, quiet } = walk({ configuration: { name: 'large', ...LARGE_WINDOW_CONFIGURATION }, rules: protocol() }, { walks: WALKS, random })
      expect(violation, `RANDOM_SEED=${seed}\n${trace.join('\n')}`).toBe(undefined)
      expect(quiet).toBeGreaterThan(0)
    },
    MINUTES_10,
  )
})

describe('every rule of windows is needed', () => {
  for (const [name, changed] of [...NEEDED, ...NEEDED_BEFORE])
    test(
      `${describeSwitch(changed)} a violation is found in "${name}"`,
      () => {
        expect(searched(name, changed).violation).toBeDefined()
      },
      MINUTES_10,
    )

  test('every rule of windows is searched', () => {
    expect(NEEDED.map(([, changed]) => changed).sort()).toEqual(Object.keys(WINDOW_RULES).sort())
  })
})
