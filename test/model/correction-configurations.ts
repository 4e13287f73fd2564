import { inLog, ONE_LOG, TWO_PROCESSES, TWO_SOURCES } from './configurations.ts'
import type { Configuration } from './model.ts'

/**
 * Kinds of records, see KINDS: the event A (value 1), its copy; the event C (4) and B in another month. V voids C, M amends it to 2,
 * N to 3; M_CONFLICT has the id of M and another value; W voids B; V_ID is an event with the id of V; P amends A to 5.
 */
const [A, B, C, V, M, N, M_CONFLICT, W, V_ID, P] = [0, 1, 4, 9, 10, 11, 12, 13, 14, 15] as const

export const CORRECTION_CONFIGURATIONS = {
  voided: { ...ONE_LOG, script: inLog(0, A, C, V), starts: TWO_PROCESSES, aborts: 1 },
  voidedKill: { ...ONE_LOG, script: inLog(0, C, V), starts: TWO_PROCESSES },
  threeOwners: { ...ONE_LOG, script: inLog(0, C, V), starts: [...TWO_PROCESSES, [0, 2]] },
  httpThreeOwners: { ...ONE_LOG, requests: [[C, V]], starts: [...TWO_PROCESSES, [0, 2]], wholeWrites: true },
  voidedTimeout: { ...ONE_LOG, script: inLog(0, C, V), starts: TWO_PROCESSES, timeouts: 1 },
  amendedTwice: { ...ONE_LOG, script: inLog(0, C, M, N), starts: TWO_PROCESSES, aborts: 1 },
  sentTwice: { ...ONE_LOG, script: inLog(0, C, M, M), starts: TWO_PROCESSES, timeouts: 1, wholeWrites: true },
  copyAfterVoid: { ...ONE_LOG, batch: 1, script: inLog(0, C, V, C), starts: TWO_PROCESSES },
  copyAfterAmend: { ...ONE_LOG, batch: 1, script: inLog(0, C, M, C), starts: TWO_PROCESSES },
  conflict: { ...ONE_LOG, script: inLog(0, C, M, M_CONFLICT), starts: TWO_PROCESSES, aborts: 1, wholeWrites: true },
  sameIdentity: { ...ONE_LOG, batch: 1, script: inLog(0, C, V, V_ID), starts: TWO_PROCESSES },
  unknown: { ...ONE_LOG, script: inLog(0, M, C), starts: TWO_PROCESSES, aborts: 1 },
  resent: { ...ONE_LOG, batch: 3, script: inLog(0, M, C, M), starts: TWO_PROCESSES, aborts: 1, wholeWrites: true },
  replayed: { ...ONE_LOG, script: inLog(0, C, M, V), starts: TWO_PROCESSES, aborts: 1, rewinds: 1, wholeWrites: true },
  twoMonths: { ...ONE_LOG, batch: 4, script: inLog(0, B, C, W, V), starts: TWO_PROCESSES, aborts: 1 },
  misrouted: { logs: 2, batch: 2, script: [...inLog(0, C), ...inLog(1, M)], starts: [...TWO_SOURCES, [0, 1]], aborts: 1, forwards: 1, wholeWrites: true },
  kept: { ...ONE_LOG, batch: 1, script: inLog(0, C, M, M), starts: TWO_PROCESSES, timeouts: 1, keep: true, wholeWrites: true },
  http: { ...ONE_LOG, requests: [[C, M]], starts: TWO_PROCESSES, aborts: 1 },
  httpLater: { ...ONE_LOG, requests: [[C], [M], [N]], starts: TWO_PROCESSES, aborts: 1, wholeWrites: true },
  httpTwo: { ...ONE_LOG, batch: 3, requests: [[C], [M, N]], starts: TWO_PROCESSES, aborts: 1 },
  switch: { logs: 2, batch: 2, script: [...inLog(0, C, A, M), ...inLog(1, N)], starts: TWO_SOURCES, switches: [1], wholeWrites: true },
  day: { ...ONE_LOG, batch: 1, script: inLog(0, C, M), starts: TWO_PROCESSES, refreshes: 1 },
  watermark: { ...ONE_LOG, batch: 1, script: inLog(0, C, M), starts: TWO_PROCESSES, watermarks: true, live: true },
  closed: { ...ONE_LOG, batch: 1, script: inLog(0, C, M), starts: TWO_PROCESSES, closings: 2, live: true },
  closedVoid: { ...ONE_LOG, batch: 1, script: inLog(0, C, V, A), starts: [[0, 0]], closings: 2, live: true, wholeWrites: true },
} as const satisfies Record<string, Omit<Configuration, 'name'>>

/** Too large to search: walked at random. */
export const LARGE_CORRECTION_CONFIGURATIONS = {
  topic: {
    logs: 2,
    batch: 3,
    script: [...inLog(0, M, C, A, V), ...inLog(1, N, P), ...inLog(0, B, M, C, W), ...inLog(1, V), ...inLog(0, M_CONFLICT, A, N, V_ID, M)],
    starts: [...TWO_SOURCES, [0, 1], [1, 2], [0, 2], [1, 0], [0, 0], [1, 1], [0, 1], [1, 0]],
    timeouts: 5,
    aborts: 4,
    rewinds: 2,
    forwards: 2,
    keep: true,
    live: true,
    watermarks: true,
    refreshes: 4,
    closings: 4,
  },
  http: {
    logs: 1,
    batch: 4,
    requests: [[C, A], [M, V], [V], [N], [M_CONFLICT], [C], [B, W], [P]],
    starts: [...TWO_PROCESSES, [0, 2], [0, 0], [0, 1], [0, 0]],
    timeouts: 4,
    aborts: 3,
    keep: true,
    refreshes: 4,
    closings: 4,
  },
  sources: {
    logs: 2,
    batch: 2,
    script: [...inLog(0, C, A, M, V), ...inLog(1, C, N, P, M)],
    starts: [...TWO_SOURCES, [0, 2], [1, 3], [0, 0], [1, 1]],
    switches: [1],
    timeouts: 3,
    aborts: 2,
    keep: true,
    live: true,
    refreshes: 4,
    closings: 4,
  },
} as const satisfies Record<string, Omit<Configuration, 'name'>>
