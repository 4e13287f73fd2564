import type { Configuration } from './model.ts'

/** Kinds of events, see KINDS: A and its copies with another month or value, B in another month, C; D and its conflict belong to log 1. */
const [A, B, A_OTHER_MONTH, A_CONFLICT, C, D, D_CONFLICT, E, A_CONFLICT_AGAIN] = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const

export const ONE_LOG = { logs: 1, batch: 2 }
/** Each handler is a log and a process. */
export const TWO_PROCESSES = [
  [0, 0],
  [0, 1],
] as const
export const TWO_SOURCES = [
  [0, 0],
  [1, 1],
] as const

export const inLog = (log: number, ...kinds: readonly number[]) => kinds.map((kind) => [log, kind] as const)

export const CONFIGURATIONS = {
  timeout: { ...ONE_LOG, script: inLog(0, A, B, A_OTHER_MONTH), starts: TWO_PROCESSES, timeouts: 1 },
  abort: { ...ONE_LOG, script: inLog(0, A, B, A_OTHER_MONTH), starts: TWO_PROCESSES, aborts: 1 },
  shortAbort: { ...ONE_LOG, script: inLog(0, A, B), starts: TWO_PROCESSES, aborts: 1 },
  shortTimeout: { ...ONE_LOG, script: inLog(0, A, A_OTHER_MONTH), starts: TWO_PROCESSES, timeouts: 1 },
  shortConflict: { ...ONE_LOG, script: inLog(0, A, A_CONFLICT), starts: TWO_PROCESSES, aborts: 1 },
  conflict: { ...ONE_LOG, script: inLog(0, A, A_CONFLICT, C), starts: TWO_PROCESSES, timeouts: 1, aborts: 1 },
  keptFilter: { ...ONE_LOG, batch: 1, script: inLog(0, A, A_OTHER_MONTH), starts: [...TWO_PROCESSES, [0, 0]], keep: true, wholeWrites: true },
  keptByOther: {
    ...ONE_LOG,
    batch: 1,
    script: inLog(0, A, A_OTHER_MONTH),
    starts: [
      [0, 1],
      [0, 0],
      [0, 1],
    ],
    keep: true,
    wholeWrites: true,
  },
  keptUnfilled: {
    ...ONE_LOG,
    batch: 1,
    script: inLog(0, A, A_OTHER_MONTH),
    starts: [
      [0, 1],
      [0, 0],
      [0, 0],
    ],
    keep: true,
    wholeWrites: true,
  },
  keptAfterError: { ...ONE_LOG, batch: 1, script: inLog(0, A, A_OTHER_MONTH), starts: TWO_PROCESSES, timeouts: 1, keep: true, wholeWrites: true },
  lateFilter: { ...ONE_LOG, batch: 1, script: inLog(0, A, A_OTHER_MONTH), starts: TWO_PROCESSES },
  sameProcess: {
    ...ONE_LOG,
    script: inLog(0, A, B),
    starts: [
      [0, 0],
      [0, 0],
    ],
  },
  threeOwners: { ...ONE_LOG, script: inLog(0, A, B), starts: [...TWO_PROCESSES, [0, 2]], timeouts: 1 },
  rewind: {
    ...ONE_LOG,
    script: inLog(0, A, C, A_CONFLICT),
    starts: [
      [0, 1],
      [0, 0],
    ],
    aborts: 1,
    rewinds: 1,
  },
  misrouted: { logs: 2, batch: 2, script: [...inLog(0, A), ...inLog(1, A, A_CONFLICT)], starts: [...TWO_SOURCES, [1, 0]], aborts: 1, forwards: 1 },
  watermark: { ...ONE_LOG, batch: 1, script: inLog(0, A, B), starts: TWO_PROCESSES, watermarks: true, live: true },
  forwardedWatermark: { logs: 2, batch: 1, script: [...inLog(1, A), ...inLog(0, B)], starts: TWO_SOURCES, watermarks: true, live: true },
  http: { ...ONE_LOG, requests: [[A, B], [A_OTHER_MONTH]], starts: TWO_PROCESSES, aborts: 1 },
  httpConflict: { ...ONE_LOG, requests: [[A], [A_CONFLICT]], starts: TWO_PROCESSES, aborts: 1 },
  httpTimeout: { ...ONE_LOG, batch: 1, requests: [[A], [A_CONFLICT]], starts: TWO_PROCESSES, timeouts: 1 },
  httpConflicts: { ...ONE_LOG, batch: 1, requests: [[A], [A_CONFLICT], [A_CONFLICT_AGAIN]], starts: TWO_PROCESSES },
  switch: { logs: 2, batch: 1, script: [...inLog(0, A), ...inLog(1, A)], starts: TWO_SOURCES, switches: [1] },
  switchTimeout: { logs: 2, batch: 1, script: [...inLog(0, A), ...inLog(1, A)], starts: TWO_SOURCES, switches: [1], timeouts: 1 },
  standby: { logs: 2, wholeWrites: true, batch: 1, script: [...inLog(0, A), ...inLog(1, A)], starts: [...TWO_SOURCES, [0, 2]], switches: [1] },
  interruptedSwitch: { logs: 2, wholeWrites: true, batch: 1, script: [...inLog(0, A), ...inLog(1, A)], starts: TWO_SOURCES, switches: [1, 1] },
  backAndForth: {
    logs: 2,
    wholeWrites: true,
    batch: 1,
    script: [...inLog(0, A), ...inLog(1, A)],
    starts: [...TWO_SOURCES, [0, 0]],
    switches: [1, 0],
    keep: true,
  },
  claim: { logs: 2, batch: 1, script: [...inLog(0, A), ...inLog(1, A)], starts: TWO_SOURCES, switches: [], unclaimed: true },
} as const satisfies Record<string, Omit<Configuration, 'name'>>

/** Too large to search: walked at random. */
export const LARGE_CONFIGURATIONS = {
  topic: {
    logs: 2,
    batch: 3,
    script: [
      ...inLog(0, A),
      ...inLog(1, D),
      ...inLog(0, B),
      ...inLog(1, A),
      ...inLog(0, A_OTHER_MONTH),
      ...inLog(1, C),
      ...inLog(0, A_CONFLICT),
      ...inLog(1, D_CONFLICT),
      ...inLog(0, D, C),
      ...inLog(1, D, A_CONFLICT),
    ],
    starts: [...TWO_SOURCES, [0, 1], [1, 2], [0, 2], [1, 0], [0, 0], [1, 1], [0, 1], [1, 0]],
    timeouts: 5,
    aborts: 4,
    rewinds: 2,
    forwards: 2,
    keep: true,
    live: true,
    watermarks: true,
  },
  http: {
    logs: 1,
    batch: 3,
    requests: [[A, B], [A_OTHER_MONTH, C], [A_CONFLICT], [C, B], [E]],
    starts: [...TWO_PROCESSES, [0, 2], [0, 0], [0, 1], [0, 0]],
    timeouts: 4,
    aborts: 3,
    keep: true,
  },
  sources: {
    logs: 2,
    batch: 2,
    script: [...inLog(0, A, B, C), ...inLog(1, A, C, B)],
    starts: [...TWO_SOURCES, [0, 2], [1, 3], [0, 0], [1, 1], [0, 2], [1, 3]],
    switches: [1, 0, 1],
    timeouts: 3,
    aborts: 2,
    keep: true,
    live: true,
  },
} as const satisfies Record<string, Omit<Configuration, 'name'>>
