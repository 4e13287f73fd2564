import type { MadeRecord } from './made-records.ts'

export type Emitter = 'http' | 'kafkajs' | 'kcat'

/** Every event that was acknowledged, by whoever sent it: project → event id → the emitter that was told first. */
export class Acknowledged {
  readonly events = new Map<string, Map<string, Emitter>>()
  readonly records = new Map<Emitter, number>()
  /** Requests that were sent again, because nobody knew. */
  readonly again = new Map<Emitter, number>()

  add(emitter: Emitter, records: readonly MadeRecord[]): void {
    this.records.set(emitter, (this.records.get(emitter) ?? 0) + records.length)
    for (const { projectId, eventId } of records) {
      if (eventId === undefined) continue
      const ofProject = this.events.get(projectId) ?? new Map<string, Emitter>()
      this.events.set(projectId, ofProject)
      if (!ofProject.has(eventId)) ofProject.set(eventId, emitter)
    }
  }

  sentAgain(emitter: Emitter): void {
    this.again.set(emitter, (this.again.get(emitter) ?? 0) + 1)
  }
}
