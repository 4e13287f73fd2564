import type { GeneratedRecord } from './generate-records.ts'

export type Emitter = 'http' | 'kafkajs' | 'kcat'

/** Every acknowledged event: project → event id → the emitter whose request was acknowledged first. */
export class Acknowledged {
  readonly events = new Map<string, Map<string, Emitter>>()
  /** Acknowledged records by emitter. */
  readonly records = new Map<Emitter, number>()
  /** Requests that were sent again because their outcome was unknown. */
  readonly retries = new Map<Emitter, number>()

  add(emitter: Emitter, records: readonly GeneratedRecord[]): void {
    this.records.set(emitter, (this.records.get(emitter) ?? 0) + records.length)
    for (const { projectId, eventId } of records) {
      if (eventId === undefined) continue
      const events = this.events.get(projectId) ?? new Map<string, Emitter>()
      this.events.set(projectId, events)
      if (!events.has(eventId)) events.set(eventId, emitter)
    }
  }

  countRetry(emitter: Emitter): void {
    this.retries.set(emitter, (this.retries.get(emitter) ?? 0) + 1)
  }
}
