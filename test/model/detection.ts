import type { Switches } from './rules.ts'
import type { Correction, Seen, Stored } from './state.ts'

export interface Detection {
  /** What a look-up sees: what is committed now, except for the fault lookAhead. */
  readonly seen: Seen
  readonly log: number
  /** undefined: every record is looked up. */
  readonly filter: number | undefined
  readonly rules: Switches
  readonly reconciling: boolean
  /** Whether an event counts in any log: with two sources, not with two partitions. */
  readonly anywhere: boolean
}

/** What the batch itself has counted so far. */
export interface Batch {
  /** By identity: the kind that counts. */
  readonly counted: Map<number, number>
  readonly rows: Stored[]
  readonly corrections: Correction[]
}

/** The filter knows for sure that the identity is not stored. */
export const isCleared = (identity: number, filter: number | undefined) => filter !== undefined && filter !== -1 && ((filter >> identity) & 1) === 0
