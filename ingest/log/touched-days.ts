import { monthNumberOf } from '../../metering/month.ts'
import { MS_PER_DAY } from '../../metering/timestamp.ts'
import { touchedMs, type ValidatedEvent } from '../event/pipeline.ts'

/**
 * What the events of one insert may touch. Raw and rollup write an fsynced part for each month, and each day is computed again for
 * all partners: a few events of many months cost as much as a million of today.
 */
export interface TouchedLimits {
  readonly batchMonthsMax: number
  readonly batchDaysMax: number
}

/** An insert of so many months takes some 0.4 s on two cores with a fast disk, which is what one event waits behind another's. */
export const TOUCHED_PER_BATCH_MAX: TouchedLimits = { batchMonthsMax: 24, batchDaysMax: 400 }

/** The UTC days, and so the months, that a batch touches. */
export class TouchedDays {
  readonly #limits: TouchedLimits
  #days = new Set<number>()
  #months = new Set<number>()
  #lastDay: number | undefined
  #isUsed = false
  /** A record that changes a window sees only what is stored, and its corrections are one insert: its batch has nothing else. */
  #isFull = false

  constructor(limits: TouchedLimits) {
    this.#limits = limits
  }

  /**
   * Adds the day of an event, or of the event that is corrected. False if that is beyond the limits: then nothing is added. A batch without
   * events takes any event. A record that changes a window is the only one of its batch.
   */
  add(validated: ValidatedEvent): boolean {
    if (this.#isFull) return false
    if (validated.status === 'window') {
      this.#isFull = !this.#isUsed
      return this.#isFull
    }
    if (!this.#touch(validated)) return false
    this.#isUsed = true
    return true
  }

  #touch(validated: ValidatedEvent): boolean {
    const timestampMs = touchedMs(validated)
    if (timestampMs === undefined) return true
    const day = Math.floor(timestampMs / MS_PER_DAY)
    // Nearly every event is of the same day as the one before it, and this runs for every event.
    if (day === this.#lastDay) return true
    if (!this.#days.has(day) && !this.#addDay(day, monthNumberOf(timestampMs))) return false
    this.#lastDay = day
    return true
  }

  /** Adds the days of all the events, or of none. */
  addAll(events: readonly ValidatedEvent[]): boolean {
    const [days, months] = [new Set(this.#days), new Set(this.#months)]
    const [isUsed, isFull] = [this.#isUsed, this.#isFull]
    if (events.every((event) => this.add(event))) return true
    this.#days = days
    this.#months = months
    this.#lastDay = undefined
    this.#isUsed = isUsed
    this.#isFull = isFull
    return false
  }

  #addDay(day: number, month: number): boolean {
    const { batchMonthsMax, batchDaysMax } = this.#limits
    const isFirst = this.#days.size === 0
    if (!isFirst && (this.#days.size >= batchDaysMax || (!this.#months.has(month) && this.#months.size >= batchMonthsMax))) return false
    this.#days.add(day)
    this.#months.add(month)
    return true
  }
}
