import { METRIC_NAMES } from '../../../metering/metrics.ts'
import type { TestEvent } from '../clients/client.ts'
import { DEFINED_METRICS, withValueOfKind } from '../oracles/defined-metrics.ts'
import type { Random } from '../random.ts'

const METRICS = [...METRIC_NAMES, ...DEFINED_METRICS.map(({ metric }) => metric)]

const EMITTERS_MAX = 10

/** A seeded emitter, named e0 to e9, with its own event ids. It sends new events, copies, copies with another time, and conflicts, in one order. */
export class SeededEmitter {
  /** All acknowledged events, in the order in which they were sent. */
  readonly acknowledged: TestEvent[] = []
  readonly #name: string
  readonly #random: Random
  readonly #projects: readonly string[]
  #made = 0

  constructor(name: string, random: Random, projects: readonly string[]) {
    this.#name = name
    this.#random = random
    this.#projects = projects
  }

  nextBatch(events: number): TestEvent[] {
    const batch: TestEvent[] = []
    while (batch.length < events) batch.push(this.#nextEvent(batch))
    return batch
  }

  #nextEvent(batch: readonly TestEvent[]): TestEvent {
    const known = this.#random.below(2) === 0 && batch.length > 0 ? batch : this.acknowledged
    if (known.length === 0 || this.#random.next() < 0.8) return this.#newEvent()
    const earlier = this.#random.pick(known)
    const kind = this.#random.below(3)
    if (kind === 0) return earlier
    return kind === 1 ? { ...earlier, timestamp: this.#timestamp() } : { ...earlier, value: `${this.#random.below(1000)}.5` }
  }

  #newEvent(): TestEvent {
    this.#made += 1
    return withValueOfKind({
      event_id: `${this.#name}-${this.#made}`,
      project_id: this.#random.pick(this.#projects),
      metric: this.#random.pick(METRICS),
      value: `${this.#random.below(1_000_000)}.${1 + this.#random.below(9)}`,
      timestamp: this.#timestamp(),
    })
  }

  /**
   * Within five months, so that a batch becomes several parts and a kill can happen between them. No two emitters have the same one: which of
   * their samples is the latest would depend on the order in which they arrive.
   */
  #timestamp(): string {
    const ms = (this.#made % 100) * EMITTERS_MAX + Number(this.#name.slice(1))
    return new Date(Date.UTC(2026, this.#random.below(5), 1 + this.#random.below(28), this.#random.below(24), 0, 0, ms)).toISOString()
  }
}
