import { afterAll, describe, expect, test } from 'vitest'
import { Random } from '../support/random.ts'
import { CORRECTION_CONFIGURATIONS, LARGE_CORRECTION_CONFIGURATIONS } from './correction-configurations.ts'
import { CORRECTION_FAULTS, CORRECTION_RULES, CORRECTION_VARIANTS } from './correction-rules.ts'
import { type AnySwitch, describeSwitch, protocol } from './rules.ts'
import { type Searched, search, walk } from './search.ts'

type Name = keyof typeof CORRECTION_CONFIGURATIONS

/** Small enough to be searched in a second or two each. With MODEL_ALL=1 all configurations are searched, which takes minutes. */
const SEARCHED: readonly Name[] = [
  ...(['copyAfterVoid', 'copyAfterAmend', 'conflict', 'sameIdentity', 'resent', 'replayed', 'voidedKill'] as const),
  ...(['http', 'switch', 'day', 'watermark', 'closedVoid'] as const),
]

/** Where a search finds the violation when a rule is taken out, or a fault is added. */
const NEEDED: readonly (readonly [Name, keyof typeof CORRECTION_RULES | keyof typeof CORRECTION_FAULTS])[] = [
  ['http', 'fenceCorrections'],
  ['http', 'correctionsAfterRows'],
  ['sentTwice', 'sharedIdentities'],
  ['sameIdentity', 'sharedIdentities'],
  ['kept', 'filterCorrections'],
  ['voidedKill', 'targetInBatch'],
  ['unknown', 'earlierOnly'],
  ['resent', 'targetFirst'],
  ['copyAfterAmend', 'compareWithOriginal'],
  ['copyAfterVoid', 'voidKeepsIdentity'],
  ['amendedTwice', 'differenceFromLatest'],
  ['switch', 'latestByRevision'],
  ['voidedKill', 'reconcileCorrections'],
  ['http', 'monthsOfCorrections'],
  ['voidedKill', 'recountCorrections'],
  ['http', 'compareRecords'],
  ['voidedKill', 'aheadByRecords'],
  ['copyAfterAmend', 'foldCorrectedCells'],
  ['day', 'changeAfterRollup'],
  ['day', 'changeInReconciling'],
  ['day', 'numberBeforeRefresh'],
  ['closed', 'billRecords'],
  ['closed', 'numberBeforeRecount'],
  ['httpTwo', 'splitCorrections'],
]

/** Rules of the protocol without corrections, which corrections need as well. */
const NEEDED_BEFORE: readonly (readonly [Name, AnySwitch])[] = [
  ['voidedKill', 'kill'],
  ['http', 'rawFirst'],
  ['amendedTwice', 'lookAhead'],
]

const ALL = process.env['MODEL_ALL'] === '1'
const MINUTES_10 = 600_000
const WALKS = Number(process.env['MODEL_WALKS'] ?? 40)

let [searches, states] = [0, 0]

function searched(name: Name, ...changed: readonly AnySwitch[]): Searched {
  const found = search({ configuration: { name, ...CORRECTION_CONFIGURATIONS[name] }, rules: protocol(...changed) })
  searches += 1
  states += found.states
  return found
}

afterAll(() => console.log(`corrections: ${states} states searched in ${searches} searches`))

describe('P1 P2 P3 P4: no order of events and corrections within the bounds breaks a promise', () => {
  for (const name of ALL ? (Object.keys(CORRECTION_CONFIGURATIONS) as Name[]) : SEARCHED)
    test(
      `every interleaving of "${name}" is searched, and each correction counts once`,
      () => {
        const { violation, trace, quiet, isCut } = searched(name)
        expect(violation, trace.join('\n')).toBe(undefined)
        expect([quiet > 0, isCut]).toEqual([true, false])
      },
      MINUTES_10,
    )

  for (const name of Object.keys(LARGE_CORRECTION_CONFIGURATIONS) as (keyof typeof LARGE_CORRECTION_CONFIGURATIONS)[])
    test(
      `${WALKS} random walks through "${name}" count each correction once`,
      () => {
        const seed = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)
        const { next: random } = new Random(seed)
        const model = { configuration: { name, ...LARGE_CORRECTION_CONFIGURATIONS[name] }, rules: protocol() }
        const { violation, trace, quiet } = walk(model, { walks: WALKS, random })
        expect(violation, `RANDOM_SEED=${seed}\n${trace.join('\n')}`).toBe(undefined)
        expect(quiet).toBeGreaterThan(0)
      },
      MINUTES_10,
    )
})

describe('every rule of corrections is needed', () => {
  for (const [name, changed] of [...NEEDED, ...NEEDED_BEFORE])
    test(
      `${describeSwitch(changed)} a violation is found in "${name}"`,
      () => {
        expect(searched(name, changed).violation).toBeDefined()
      },
      MINUTES_10,
    )

  test('every rule and every fault of corrections is searched', () => {
    const found = new Set<string>(NEEDED.map(([, changed]) => changed))
    expect([...found].sort()).toEqual([...Object.keys(CORRECTION_RULES), ...Object.keys(CORRECTION_FAULTS)].sort())
  })
})

/** What the variant does not need. */
const VARIANTS: readonly (readonly [Name, ...AnySwitch[]])[] = [
  ['voidedKill', 'aheadByRecords'],
  ['amendedTwice', 'differenceFromLatest'],
  ['httpTwo', 'splitCorrections'],
]

describe(`the variant "${CORRECTION_VARIANTS.foldAllKinds}"`, () => {
  const names = ALL ? (Object.keys(CORRECTION_CONFIGURATIONS) as Name[]) : (['voidedKill', 'switch', 'closedVoid'] as const)
  const all: typeof VARIANTS = [...names.map((name) => [name] as const), ...(ALL ? VARIANTS : VARIANTS.slice(0, 1))]
  for (const [name, ...changed] of all)
    test(
      `keeps the promises in every interleaving of "${name}" ${changed.map(describeSwitch).join(' and ')}`.trim(),
      () => {
        const { violation, trace, isCut } = searched(name, 'foldAllKinds', ...changed)
        expect(violation, trace.join('\n')).toBe(undefined)
        expect(isCut).toBe(false)
      },
      MINUTES_10,
    )
})
