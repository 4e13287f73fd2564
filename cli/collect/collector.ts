import type { Collection } from '../../emitter/collectors/collection.ts'
import type { Slots } from './saved-slots.ts'

export interface Collector {
  /** As in "meterline collect <name>". */
  readonly name: string
  /** The length of slots of sizes. */
  readonly slotMs: number
  /** Collects once, in one part or several. */
  readonly collect: (round: Round) => AsyncIterable<CollectedPart>
}

export interface Round {
  readonly nowMs: number
  readonly slots: Slots
  readonly signal: AbortSignal
}

export interface CollectedPart extends Collection {
  readonly countedThroughMs?: ReadonlyMap<string, number>
}
