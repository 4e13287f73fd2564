import { describe, expect, test } from 'vitest'
import { Random } from '../support/random.ts'
import { CONFIGURATIONS, LARGE_CONFIGURATIONS } from './configurations.ts'
import { describeSwitch, FAULTS, type Fault, protocol, RULES, type Rule } from './rules.ts'
import { search, walk } from './search.ts'

type Name = keyof typeof CONFIGURATIONS

/** Small enough to be searched in a second or two each. With MODEL_ALL=1 all configurations are searched, which takes minutes. */
const SEARCHED: readonly Name[] = ['lateFilter', 'sameProcess', 'watermark', 'switch', 'claim']

/** Where a search finds the violation when rules are taken out, or a fault is added. */
const NEEDED: readonly (readonly [Name, ...(Rule | Fault)[]])[] = [
  ['shortAbort', 'fence'],
  ['shortAbort', 'fenceDifferences'],
  ['httpConflicts', 'fencePositions', 'fenceRejected'],
  ['shortAbort', 'kill'],
  ['sameProcess', 'uniqueOwner'],
  ['shortTimeout', 'reacquire'],
  ['shortAbort', 'rangeAfterKill'],
  ['shortAbort', 'recount'],
  ['rewind', 'sameOffset'],
  ['abort', 'classifyInReconciling'],
  ['shortConflict', 'reconcileRejected'],
  ['shortTimeout', 'extendAtSend'],
  ['lateFilter', 'filterAfterKill'],
  ['keptAfterError', 'keepByCount'],
  ['http', 'rawFirst'],
  ['httpConflict', 'rowsBeforeRejected'],
  ['watermark', 'timeBeforeEnd'],
  ['forwardedWatermark', 'holdForwarded'],
  ['switch', 'checkSourceAfterLease'],
  ['switch', 'switchingFirst'],
  ['switch', 'retireOthers'],
  ['switch', 'inForceLast'],
  ['claim', 'fenceSource'],
  ['claim', 'claimUnderLease'],
  ['shortAbort', 'positionAfterRows'],
  ['keptAfterError', 'lookAhead'],
  ['shortTimeout', 'repeatRequest'],
  ['shortAbort', 'repairByOthers'],
  ['watermark', 'watermarkInDoubt'],
]

/** Their violations need three acquisitions, and minutes of search: with MODEL_ALL=1 only. */
const NEEDED_IN_LONG_SEARCHES: typeof NEEDED = [
  ['keptByOther', 'readBackAgain'],
  ['keptUnfilled', 'keepOnlyComplete'],
]

const ALL = process.env['MODEL_ALL'] === '1'
const MINUTES_10 = 600_000
const WALKS = Number(process.env['MODEL_WALKS'] ?? 40)

describe('P1 P2 P3: no order of events within the bounds breaks a promise', () => {
  for (const name of ALL ? (Object.keys(CONFIGURATIONS) as Name[]) : SEARCHED)
    test(
      `every interleaving of "${name}" is searched, and none loses an event or counts one twice`,
      () => {
        const { violation, trace, quiet, isCut } = search({ configuration: { name, ...CONFIGURATIONS[name] }, rules: protocol() })
        expect(violation, trace.join('\n')).toBe(undefined)
        expect([quiet > 0, isCut]).toEqual([true, false])
      },
      MINUTES_10,
    )

  for (const name of Object.keys(LARGE_CONFIGURATIONS) as (keyof typeof LARGE_CONFIGURATIONS)[])
    test(`${WALKS} random walks through "${name}" lose no event and count none twice`, () => {
      const seed = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)
      const { next: random } = new Random(seed)
      const { violation, trace, quiet } = walk({ configuration: { name, ...LARGE_CONFIGURATIONS[name] }, rules: protocol() }, { walks: WALKS, random })
      expect(violation, `RANDOM_SEED=${seed}\n${trace.join('\n')}`).toBe(undefined)
      expect(quiet).toBeGreaterThan(0)
    })
})

describe('every rule of the protocol is needed', () => {
  for (const [name, ...changed] of ALL ? [...NEEDED, ...NEEDED_IN_LONG_SEARCHES] : NEEDED) {
    const texts = changed.map(describeSwitch)
    test(
      `${texts.join(' and ')} a violation is found`,
      () => {
        const { violation } = search({ configuration: { name, ...CONFIGURATIONS[name] }, rules: protocol(...changed) })
        expect(violation).toBeDefined()
      },
      MINUTES_10,
    )
  }

  test('every rule and every fault is searched', () => {
    const searched = [...NEEDED, ...NEEDED_IN_LONG_SEARCHES].flatMap(([, ...changed]) => changed)
    expect([...searched].sort()).toEqual([...Object.keys(RULES), ...Object.keys(FAULTS)].sort())
  })
})
