import { inLog } from './configurations.ts'
import type { Configuration } from './model.ts'

/** Kinds of events of month 0, see KINDS: A and C of log 0, D of log 1. */
const [A, C, D] = [0, 4, 5] as const
const SHARDS = { logs: 2, batch: 1, shards: true, wholeWrites: true } as const

export const SHARD_CONFIGURATIONS = {
  /** A day of both shards is materialized while they count, by a coordinator that stops between them. */
  materialized: {
    ...SHARDS,
    script: [...inLog(0, A), ...inLog(1, D)],
    starts: [
      [0, 0],
      [1, 1],
    ],
    refreshes: 2,
  },
  /** A shard is restored, and the next owner reads its log again. */
  restored: {
    ...SHARDS,
    logs: 1,
    script: inLog(0, A, C),
    starts: [
      [0, 0],
      [0, 1],
    ],
    restores: 1,
  },
  /** The day was materialized before the shard was restored. */
  restoredDay: {
    ...SHARDS,
    logs: 1,
    script: inLog(0, A),
    starts: [
      [0, 0],
      [0, 1],
    ],
    restores: 1,
    refreshes: 1,
  },
} as const satisfies Record<string, Omit<Configuration, 'name'>>
