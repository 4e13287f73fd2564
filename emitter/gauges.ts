import type { DefinedMetric, PeakMetric } from './event.ts'
import type { UsageEvent } from './event-text.ts'
import { nextSlotMs, slotEventId, slotStartMs } from './slots.ts'
import type { Timers } from './timers.ts'

export interface Gauge {
  readonly project_id: string
  readonly metric: PeakMetric | DefinedMetric
  /** A sample is read at the beginning of each slot of this length, from 1,000 ms to a day. Slots begin at midnight UTC. */
  readonly everyMs: number
  /** Reads the level. If it throws, the slot has no sample. */
  readonly read: () => Level | Promise<Level>
}

const EVERY_MS_MIN = 1_000
const EVERY_MS_MAX = 86_400_000

type Level = number | string | bigint

interface GaugesOptions {
  readonly timers: Timers
  readonly emit: (event: UsageEvent) => void
  readonly onProblem: (message: string) => void
}

/** Samples gauges, each on its interval. A slot that passes while the process is down or a read takes too long is a gap, never a guess. */
export class Gauges {
  readonly #options: GaugesOptions
  readonly #stops = new Set<() => void>()

  constructor(options: GaugesOptions) {
    this.#options = options
  }

  /** Returns what stops it. Throws TypeError for an interval that makes no sense. */
  start(gauge: Gauge): () => void {
    const { everyMs } = gauge
    if (!(Number.isSafeInteger(everyMs) && everyMs >= EVERY_MS_MIN && everyMs <= EVERY_MS_MAX))
      throw new TypeError(`everyMs must be a whole number from ${EVERY_MS_MIN} to ${EVERY_MS_MAX}, not ${everyMs}.`)
    const { timers, onProblem } = this.#options
    let timer: unknown
    let isReading = false
    const sample = async () => {
      wait()
      if (isReading) return onProblem(`${nameOf(gauge)}: the previous read has not ended, so this slot has no sample.`)
      isReading = true
      await this.#sample(gauge)
      isReading = false
    }
    const wait = () => {
      const nowMs = timers.now()
      timer = timers.setTimeout(() => void sample(), nextSlotMs(nowMs, gauge.everyMs) - nowMs)
    }
    const stop = () => {
      timers.clearTimeout(timer)
      this.#stops.delete(stop)
    }
    wait()
    this.#stops.add(stop)
    return stop
  }

  stopAll(): void {
    for (const stop of this.#stops) stop()
  }

  async #sample(gauge: Gauge): Promise<void> {
    const { project_id, metric, everyMs, read } = gauge
    const startMs = slotStartMs(this.#options.timers.now(), everyMs)
    try {
      const value = await read()
      this.#options.emit({ project_id, metric, value, timestamp: startMs, event_id: slotEventId(metric, everyMs, startMs) })
    } catch (error) {
      this.#options.onProblem(`${nameOf(gauge)}: ${String(error)}`)
    }
  }
}

function nameOf({ project_id, metric }: Gauge): string {
  return `gauge ${metric} of ${project_id}`
}
