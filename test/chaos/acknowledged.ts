import { type GeneratedRecord, isWatched } from './generate-records.ts'

export type Emitter = 'http' | 'kafkajs' | 'kcat' | 'transaction' | 'flood' | 'preload' | 'hostile' | 'batches'

/** Every acknowledged event: project → event id → the emitter whose request was acknowledged first. */
export class Acknowledged {
  readonly events = new Map<string, Map<string, Emitter>>()
  /** Acknowledged records by emitter. */
  readonly records = new Map<Emitter, number>()
  /** Requests that were sent again because their outcome was unknown. */
  readonly retries = new Map<Emitter, number>()
  /** When each event of a watched project was acknowledged, in ms since 1970 and in this order. Each is generated only once. */
  readonly #watchedMs = new Map<string, number[]>()

  add(emitter: Emitter, records: readonly GeneratedRecord[]): void {
    const nowMs = Date.now()
    this.records.set(emitter, (this.records.get(emitter) ?? 0) + records.length)
    for (const { projectId, eventId } of records) {
      if (eventId === undefined) continue
      const events = this.events.get(projectId) ?? new Map<string, Emitter>()
      this.events.set(projectId, events)
      if (!events.has(eventId)) events.set(eventId, emitter)
      if (isWatched(projectId)) this.#watched(projectId).push(nowMs)
    }
  }

  countRetry(emitter: Emitter): void {
    this.retries.set(emitter, (this.retries.get(emitter) ?? 0) + 1)
  }

  #watched(project: string): number[] {
    const times = this.#watchedMs.get(project) ?? []
    this.#watchedMs.set(project, times)
    return times
  }

  /** How many events of the watched projects, or of one, were acknowledged at or before a time. */
  watchedUntil(ms: number, project?: string): number {
    const lists = project === undefined ? [...this.#watchedMs.values()] : [this.#watchedMs.get(project) ?? []]
    return lists.reduce((sum, times) => sum + times.findLastIndex((time) => time <= ms) + 1, 0)
  }
}
