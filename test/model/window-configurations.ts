import { inLog, ONE_LOG, TWO_PROCESSES, TWO_SOURCES } from './configurations.ts'
import type { Configuration } from './model.ts'

/**
 * Kinds of records, see KINDS: the events A (1) and C (4); M amends C to 2. H (16) is sent under a batch, CLOSE closes it and REVERT reverts
 * it. SAME is an ordinary event with the id and the value of H; EARLY amends H.
 */
const [A, C, M, H, CLOSE, REVERT, SAME, EARLY] = [0, 4, 10, 16, 17, 18, 19, 20] as const

export const WINDOW_CONFIGURATIONS = {
  closedKill: { ...ONE_LOG, script: inLog(0, C, H, CLOSE), starts: TWO_PROCESSES },
  closedAbort: { ...ONE_LOG, batch: 1, script: inLog(0, C, H, CLOSE), starts: TWO_PROCESSES, aborts: 1 },
  held: { ...ONE_LOG, script: inLog(0, C, H, EARLY), starts: TWO_PROCESSES, wholeWrites: true },
  lateEvent: { ...ONE_LOG, script: inLog(0, H, CLOSE, A), starts: TWO_PROCESSES, aborts: 1 },
  lateHeld: { ...ONE_LOG, script: inLog(0, C, CLOSE, H), starts: TWO_PROCESSES, aborts: 1, wholeWrites: true },
  empty: { ...ONE_LOG, batch: 1, script: inLog(0, CLOSE, H, CLOSE), starts: TWO_PROCESSES, wholeWrites: true },
  sameIdentity: { ...ONE_LOG, script: inLog(0, H, SAME, CLOSE), starts: TWO_PROCESSES, wholeWrites: true },
  closedTwice: { ...ONE_LOG, batch: 1, script: inLog(0, H, CLOSE, A, CLOSE), starts: TWO_PROCESSES, wholeWrites: true },
  reverted: { ...ONE_LOG, script: inLog(0, C, M, H, CLOSE, REVERT), starts: TWO_PROCESSES, wholeWrites: true },
  revertedKill: { ...ONE_LOG, batch: 1, script: inLog(0, C, H, CLOSE, REVERT), starts: TWO_PROCESSES },
  amendedAfter: { ...ONE_LOG, script: inLog(0, REVERT, H, CLOSE, EARLY, REVERT), starts: TWO_PROCESSES, wholeWrites: true },
  replayed: { ...ONE_LOG, script: inLog(0, C, H, CLOSE, A), starts: TWO_PROCESSES, rewinds: 1, wholeWrites: true },
  http: { ...ONE_LOG, requests: [[C, H], [CLOSE]], starts: TWO_PROCESSES },
  switch: { logs: 2, batch: 2, script: [...inLog(0, C, H), ...inLog(1, CLOSE, A)], starts: TWO_SOURCES, switches: [1], wholeWrites: true },
  day: { ...ONE_LOG, batch: 1, script: inLog(0, H, CLOSE), starts: TWO_PROCESSES, refreshes: 1 },
  billed: { ...ONE_LOG, batch: 1, script: inLog(0, C, H, CLOSE), starts: [[0, 0]], closings: 2, live: true },
} as const satisfies Record<string, Omit<Configuration, 'name'>>

/** Too large to search: walked at random. */
export const LARGE_WINDOW_CONFIGURATION = {
  logs: 1,
  batch: 3,
  script: inLog(0, C, REVERT, H, EARLY, A, SAME, M, CLOSE, H, CLOSE, EARLY, A, REVERT, CLOSE, C),
  starts: [...TWO_PROCESSES, [0, 2], [0, 0], [0, 1]],
  timeouts: 4,
  aborts: 3,
  rewinds: 2,
  keep: true,
  live: true,
  watermarks: true,
  refreshes: 3,
  closings: 3,
} as const satisfies Omit<Configuration, 'name'>
