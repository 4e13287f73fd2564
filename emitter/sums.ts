import { formatBillionths, parseBillionths } from './decimal.ts'
import type { CumulativeMetric, DefinedMetric } from './event.ts'
import type { UsageEvent } from './event-text.ts'
import { nextSlotMs, slotStartMs } from './slots.ts'
import type { Timers } from './timers.ts'

/** An addition to a sum. */
export interface Increment {
  readonly project_id: string
  readonly metric: CumulativeMetric | DefinedMetric
  /** 1, if it is left out. Must be exact: see UsageEvent. */
  readonly value?: number | string | bigint | undefined
}

interface SumsOptions {
  readonly everyMs: number
  readonly pairsMax: number
  readonly timers: Timers
  readonly emit: (event: UsageEvent) => void
}

/** Sums increments per project and metric, and emits each sum as one event at the end of a slot: a thousand calls are one event. */
export class Sums {
  readonly #options: SumsOptions
  readonly #byProject = new Map<string, Map<string, bigint>>()
  #pairs = 0
  #slotMs = 0
  #timer: unknown

  constructor(options: SumsOptions) {
    this.#options = options
  }

  /** An increment that is not a decimal is emitted alone, so that the service rejects it with the reason. */
  add({ project_id, metric, value = 1 }: Increment): void {
    const billionths = parseBillionths(value)
    if (billionths === undefined) this.#options.emit({ project_id, metric, value })
    else this.#addTo(project_id, metric, billionths)
  }

  #addTo(project_id: string, metric: string, billionths: bigint): void {
    const { timers, everyMs, pairsMax } = this.#options
    const nowMs = timers.now()
    const isNew = this.#byProject.get(project_id)?.has(metric) !== true
    // A timer may be late, and the sum must not get into another day.
    if (slotStartMs(nowMs, everyMs) !== this.#slotMs || (isNew && this.#pairs >= pairsMax)) this.flush()
    const sums = this.#byProject.get(project_id) ?? new Map<string, bigint>()
    const sum = sums.get(metric)
    if (sum === undefined) this.#pairs += 1
    this.#byProject.set(project_id, sums.set(metric, (sum ?? 0n) + billionths))
    if (this.#timer !== undefined) return
    this.#slotMs = slotStartMs(nowMs, everyMs)
    this.#timer = timers.setTimeout(() => this.flush(), nextSlotMs(nowMs, everyMs) - nowMs)
  }

  /** Emits all sums now, with the beginning of the slot as their time. */
  flush(): void {
    this.#options.timers.clearTimeout(this.#timer)
    this.#timer = undefined
    const sums = [...this.#byProject].flatMap(([project_id, byMetric]) => [...byMetric].map(([metric, sum]) => ({ project_id, metric, sum })))
    this.#byProject.clear()
    this.#pairs = 0
    for (const { project_id, metric, sum } of sums) this.#options.emit({ project_id, metric, value: formatBillionths(sum), timestamp: this.#slotMs })
  }
}
