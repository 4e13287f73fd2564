import { formatBillionths, parseBillionths } from './decimal.ts'
import type { CumulativeMetric, DefinedMetric, Labels } from './event.ts'
import type { UsageEvent } from './event-text.ts'
import { nextSlotMs, slotStartMs } from './slots.ts'
import type { Timers } from './timers.ts'

/** An addition to a sum. */
export interface Increment {
  readonly project_id: string
  readonly metric: CumulativeMetric | DefinedMetric
  /** 1, if it is left out. Must be exact: see UsageEvent. */
  readonly value?: number | string | bigint | undefined
  /** Each set of labels of a metric has a sum of its own. */
  readonly labels?: Labels | undefined
}

/** What is summed together, and the sum in billionths. */
interface Sum {
  readonly metric: string
  readonly labels: Labels | undefined
  billionths: bigint
}

interface SumsOptions {
  readonly everyMs: number
  readonly pairsMax: number
  readonly timers: Timers
  readonly emit: (event: UsageEvent) => void
}

/** Sums increments per project, metric and labels, and emits each sum as one event at the end of a slot: a thousand calls are one event. */
export class Sums {
  readonly #options: SumsOptions
  readonly #byProject = new Map<string, Map<string, Sum>>()
  #pairs = 0
  #slotMs = 0
  #timer: unknown

  constructor(options: SumsOptions) {
    this.#options = options
  }

  /** An increment that is not a decimal is emitted alone, so that the service rejects it with the reason. */
  add({ project_id, metric, value = 1, labels }: Increment): void {
    const billionths = parseBillionths(value)
    if (billionths === undefined) this.#options.emit({ project_id, metric, value, labels })
    else this.#addTo(project_id, { metric, labels: sorted(labels), billionths })
  }

  #addTo(project_id: string, added: Sum): void {
    const { timers, everyMs, pairsMax } = this.#options
    const nowMs = timers.now()
    const key = keyOf(added)
    const isNew = this.#byProject.get(project_id)?.has(key) !== true
    // A timer may be late, and the sum must not get into another day.
    if (slotStartMs(nowMs, everyMs) !== this.#slotMs || (isNew && this.#pairs >= pairsMax)) this.flush()
    const sums = this.#byProject.get(project_id) ?? new Map<string, Sum>()
    this.#byProject.set(project_id, sums)
    const sum = sums.get(key)
    if (sum === undefined) {
      this.#pairs += 1
      sums.set(key, added)
    } else sum.billionths += added.billionths
    if (this.#timer !== undefined) return
    this.#slotMs = slotStartMs(nowMs, everyMs)
    this.#timer = timers.setTimeout(() => this.flush(), nextSlotMs(nowMs, everyMs) - nowMs)
  }

  /** Emits all sums now, with the beginning of the slot as their time. */
  flush(): void {
    this.#options.timers.clearTimeout(this.#timer)
    this.#timer = undefined
    const sums = [...this.#byProject].flatMap(([project_id, ofProject]) => [...ofProject.values()].map((sum) => ({ project_id, ...sum })))
    this.#byProject.clear()
    this.#pairs = 0
    for (const { project_id, metric, labels, billionths } of sums)
      this.#options.emit({ project_id, metric, value: formatBillionths(billionths), timestamp: this.#slotMs, labels })
  }
}

function keyOf({ metric, labels }: Sum): string {
  return labels === undefined ? metric : JSON.stringify([metric, labels])
}

/** By key, so that equal labels are equal text. Undefined without any. */
function sorted(labels: Labels | undefined): Labels | undefined {
  // JavaScript may send null.
  const entries = Object.entries(labels ?? {})
  return entries.length === 0 ? undefined : Object.fromEntries(entries.sort(([one], [other]) => (one < other ? -1 : 1)))
}
