import { compareDecimals } from '../../metering/exact-decimal.ts'
import type { Quantity } from '../../metering/quantity.ts'

/**
 * The day on which a partner reaches a peak, as SQL over one row per `day` with its `total` over the partner's projects: the greatest
 * total, on ties the earliest day. Statements and exports bill each project at its value on this day, so another tie rule would move
 * amounts between projects.
 */
export const PEAK_DAY = 'argMax(day, (total, -toInt32(day)))'

/** The same rule for days that are read in ascending order: only a greater value is a new peak, so on ties the earliest day stays. */
export function isNewPeak(value: Quantity, peak: Quantity): boolean {
  return compareDecimals(value, peak) > 0
}
