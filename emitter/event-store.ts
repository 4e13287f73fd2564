/** An event that waits or is being sent. */
export interface StoredEvent {
  readonly text: string
  /** Of the text, in UTF-8. */
  readonly bytes: number
  readonly addedMs: number
}

/** Holds the events that have no outcome yet, the oldest first: in memory (emitter/memory-store.ts) or on disk (emitter/spool/disk-store.ts). */
export interface EventStore {
  /** How many events wait, without those that were taken. */
  readonly waitingEvents: number
  readonly waitingBytes: number
  /** When the oldest waiting event was added; undefined if none waits. */
  readonly oldestMs: number | undefined
  /** Returns the reason for which the event is dropped, or undefined if it is stored. Never throws. */
  add(event: StoredEvent): DropReason | undefined
  /** Takes the oldest events, at least one if there is one: those that fit into a body of bytesMax. */
  take(eventsMax: number, bytesMax: number): StoredEvent[]
  /** Taken events that have their outcome. */
  forget(events: readonly StoredEvent[]): void
  /** Ends the store. `taken` are the events without an outcome; of these and the waiting ones it returns how many stay on disk, and the lost. */
  close(taken: readonly StoredEvent[]): { readonly spooled: number; readonly lost: readonly StoredEvent[] }
}

export interface StoreLimits {
  readonly eventsMax: number
  readonly bytesMax: number
  readonly onProblem: (message: string) => void
}

/** Opens a store other than memory. Throws if it cannot be used. */
export type OpenStore = (limits: StoreLimits) => EventStore

/** memory_full, spool_full: the limit of the buffer. not_delivered: no outcome until close() gave up. closed: emitted after close(). */
export type DropReason = 'memory_full' | 'spool_full' | 'not_delivered' | 'closed'
