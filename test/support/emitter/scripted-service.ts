import type { WireEvent } from '../../../emitter/emitter.ts'

/** A service that counts events by their id, and that a test takes down. */
export class ScriptedService {
  isDown = false
  requests = 0
  /** How often each event arrived, in the order of their first arrival. */
  readonly arrivals = new Map<string, number>()

  readonly fetch = async (_url: string, init: RequestInit): Promise<Response> => {
    this.requests += 1
    if (this.isDown) throw new TypeError('fetch failed')
    const events = JSON.parse(String(init.body)) as WireEvent[]
    const known = events.filter(({ event_id }) => this.arrivals.has(event_id)).length
    for (const { event_id } of events) this.arrivals.set(event_id, (this.arrivals.get(event_id) ?? 0) + 1)
    return Response.json({ accepted: events.length - known, duplicates: known, rejected: [] })
  }
}
