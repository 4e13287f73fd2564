import { CORRECTION_FAULTS, CORRECTION_RULES, CORRECTION_VARIANTS, WINDOW_RULES } from './correction-rules.ts'
import { SHARD_RULES } from './shard-rules.ts'

/**
 * The rules of the protocol, each with what it says. A search takes one out and must then find a violation: a rule that can go
 * unnoticed is either not needed or not tested.
 */
export const RULES = {
  fence: 'a write is rejected unless its fencing token is the greatest of its log, at the moment it runs',
  fencePositions: 'positions pass the fence too',
  fenceRejected: 'rejected events pass the fence too',
  fenceDifferences: 'repairs of the rollup pass the fence too',
  kill: 'an acquisition kills the running inserts of the log',
  uniqueOwner: 'the name of an owner is new for each acquisition, not one for each process',
  reacquire: 'after any error or time-out the lease is acquired again, with a greater epoch, before anything is read',
  rangeAfterKill: 'the in-doubt range is read after the kill',
  recount: 'reconciling recounts the rollup of the range',
  sameOffset: 'an identity that is stored under the same offset of the same log is this very event, not a duplicate',
  classifyInReconciling: 'what raw lacks of the range is compared with what is stored before it is inserted',
  reconcileRejected: 'reconciling writes the rejected events of the range too',
  extendAtSend: 'identities are added to the filter before their batch is sent',
  filterAfterKill: 'the filter is filled, or judged worth keeping, after the kill',
  keepByCount: 'a filter is kept only if the name was acquired exactly once since the lease under which it was complete',
  readBackAgain: 'the number of acquisitions is read together with the newest token, which must still be the own one',
  keepOnlyComplete: 'only a filter that was complete is kept',
  rawFirst: 'the raw part of a month is committed before its rollup part',
  rowsBeforeRejected: 'rejected events are written after the rows, because they name the first event of their identity',
  timeBeforeEnd: 'the time of a watermark is noted before the end of the log is read',
  holdForwarded: 'forwarded events hold the watermark back until they are counted in their own log',
  checkSourceAfterLease: 'a process reads which source is in force after it has acquired the lease of its log',
  switchingFirst: 'a switch writes that nothing is in force before it looks up which logs have leases',
  retireOthers: 'a switch acquires the leases of all logs of other sources',
  inForceLast: 'a switch puts the new source in force only after the others are retired',
  fenceSource: 'the source in force is written through a fence, under the lease `source`',
  claimUnderLease: 'the first source is claimed only if there is still none after the lease `source` is acquired',
} as const

export type Rule = keyof typeof RULES

/** Faults, which are no part of the protocol: a search that adds one must find a violation as well. */
export const FAULTS = {
  positionAfterRows: 'the position is written after the rows',
  lookAhead: 'the duplicates of the next batch are detected before the last one is acknowledged',
  repeatRequest: 'something on the way, such as a proxy, repeats a request',
  repairByOthers: 'a process that does not own the log repairs its rollup',
  watermarkInDoubt: 'a watermark covers a batch that is not acknowledged yet',
} as const

export type Fault = keyof typeof FAULTS

const ALL_RULES = { ...RULES, ...CORRECTION_RULES, ...WINDOW_RULES, ...SHARD_RULES }
const ALL_FAULTS = { ...FAULTS, ...CORRECTION_FAULTS, ...CORRECTION_VARIANTS }
export type AnySwitch = keyof typeof ALL_RULES | keyof typeof ALL_FAULTS

export type Switches = Readonly<Record<AnySwitch, boolean>>

/** The protocol as it is, except for the rules that are left out and the faults that are added. */
export function protocol(...changed: readonly AnySwitch[]): Switches {
  const on = (name: string, normal: boolean) => [name, changed.includes(name as AnySwitch) ? !normal : normal]
  return Object.fromEntries([...Object.keys(ALL_RULES).map((name) => on(name, true)), ...Object.keys(ALL_FAULTS).map((name) => on(name, false))]) as Switches
}

/** What a test without a rule, or with a fault, is called. */
export function describeSwitch(name: AnySwitch): string {
  return `${name in ALL_RULES ? 'without the rule' : 'with the fault'} "${{ ...ALL_RULES, ...ALL_FAULTS }[name]}"`
}
