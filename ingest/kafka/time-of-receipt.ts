import { TIMESTAMP_MIN_MS } from '../../metering/event.ts'
import type { Rejection } from '../../metering/rejection-reasons.ts'
import { LAST_DAY, LAST_DAY_END_MS } from '../../metering/storable-days.ts'
import { dayOf } from '../../metering/timestamp.ts'

/** When an event was received. With a problem it cannot count, because nothing shows whether its timestamp is in the future. */
export interface TimeOfReceipt {
  /** In ms since 1970. With a problem it is where the rejected event is filed: the likely time, or 0. */
  readonly receivedMs: number
  readonly problem: Rejection | undefined
}

/**
 * Reads the time of receipt of a record, which is written in milliseconds since 1970. A producer that writes another unit would
 * move the limit of future timestamps by thousands of years, so its events are rejected until it is corrected.
 */
export function readTimeOfReceipt(sent: string | number): TimeOfReceipt {
  const written = Number(sent)
  if (isTimeOfReceipt(written)) return { receivedMs: Math.trunc(written), problem: undefined }
  const unit = OTHER_UNITS.find(({ inMs }) => isTimeOfReceipt(written * inMs))
  const shown = String(sent).slice(0, SHOWN_CHARACTERS_MAX)
  const fault = unit === undefined ? `is not a time from ${dayOf(TIMESTAMP_MIN_MS)} to ${LAST_DAY}` : `seems to be in ${unit.name}`
  const message = `The record's timestamp ${shown} ${fault}. It must be in milliseconds since 1970. Correct the producer, then resend the event.`
  return { receivedMs: unit === undefined ? 0 : Math.trunc(written * unit.inMs), problem: { reason: 'invalid_timestamp', message } }
}

/** No two of them give the same range of numbers, and none gives that of milliseconds. */
const OTHER_UNITS = [
  { name: 'seconds', inMs: 1_000 },
  { name: 'microseconds', inMs: 1e-3 },
  { name: 'nanoseconds', inMs: 1e-6 },
]

const SHOWN_CHARACTERS_MAX = 32

function isTimeOfReceipt(ms: number): boolean {
  return ms >= TIMESTAMP_MIN_MS && ms < LAST_DAY_END_MS
}
