import { TIMESTAMP_MIN_MS } from '../../metering/event.ts'
import { LAST_DAY_END_MS } from '../../metering/storable-days.ts'
import { COLON, isDigit, MINUS, QUOTE } from './scan-json.ts'

/**
 * Scans one event in the canonical form, in which the emitters write it:
 *
 *     {"event_id":"…","project_id":"…","metric":"…","value":"12.5","timestamp":"2026-01-31T12:00:00.000Z"}
 *
 * These five members in this order, without white space and escapes, all of it ASCII; the value is a plain decimal without trailing zeros,
 * as a string or as a number of at most 15 characters. Whatever else an event may be is read by decode-body.ts, which also defines what is
 * right: for every input both must give the same event. So in any doubt the scan fails, and what it accepts is valid but for its metric, its
 * project's registration, and the time of receipt. It makes no objects; the positions of the fields are kept until the next scan.
 */
export class CanonicalScan {
  eventIdStart = 0
  eventIdEnd = 0
  projectIdStart = 0
  projectIdEnd = 0
  metricStart = 0
  metricEnd = 0
  valueStart = 0
  valueEnd = 0
  isNumber = false
  timestampStart = 0
  timestampEnd = 0
  timestampMs = 0
  /** The day of the last timestamp as a number such as 20260131, and its begin: nearly all events are of the day of the one before. */
  #day = 0
  #dayMs = Number.NaN

  /** The position behind the event that begins at `start`; -1 if it is not in the canonical form. */
  scan(bytes: Uint8Array, start: number): number {
    let at = behind(bytes, start, EVENT_ID)
    if (at === -1) return -1
    this.eventIdStart = at
    at = behindCharacters(bytes, at, IS_OF_EVENT_ID)
    this.eventIdEnd = at
    if (!isLength(at - this.eventIdStart, ID_BYTES_MAX)) return -1
    at = behind(bytes, at, PROJECT_ID)
    if (at === -1) return -1
    this.projectIdStart = at
    at = behindCharacters(bytes, at, IS_OF_PROJECT_ID)
    this.projectIdEnd = at
    if (!isLength(at - this.projectIdStart, ID_BYTES_MAX)) return -1
    at = behind(bytes, at, METRIC)
    if (at === -1) return -1
    this.metricStart = at
    at = behindCharacters(bytes, at, IS_OF_METRIC)
    this.metricEnd = at
    if (!isLength(at - this.metricStart, METRIC_BYTES_MAX)) return -1
    at = behind(bytes, at, VALUE)
    return at === -1 ? -1 : this.#scanRest(bytes, at)
  }

  /** The value, the timestamp, and the end of the event. */
  #scanRest(bytes: Uint8Array, from: number): number {
    this.isNumber = bytes[from] !== QUOTE
    this.valueStart = this.isNumber ? from : from + 1
    this.valueEnd = behindDecimal(bytes, this.valueStart)
    if (this.valueEnd === -1 || (this.isNumber && this.valueEnd - this.valueStart > EXACT_CHARACTERS_MAX)) return -1
    const at = behind(bytes, this.valueEnd, this.isNumber ? TIMESTAMP : TIMESTAMP_AFTER_STRING)
    if (at === -1) return -1
    this.timestampStart = at
    this.timestampEnd = at + (bytes[at + FRACTION_AT] === DOT ? MILLISECONDS_BYTES : SECONDS_BYTES)
    this.timestampMs = this.#timestampAt(bytes, at)
    // NaN fails both comparisons.
    if (!(this.timestampMs >= TIMESTAMP_MIN_MS && this.timestampMs < LAST_DAY_END_MS)) return -1
    return behind(bytes, this.timestampEnd - 1, END)
  }

  /** The instant of YYYY-MM-DDTHH:mm:ss[.sss]Z, in ms since 1970; NaN if it is not one. The Z is the first byte of END. */
  #timestampAt(bytes: Uint8Array, at: number): number {
    if (bytes[at + 4] !== MINUS || bytes[at + 7] !== MINUS || bytes[at + 10] !== LETTER_T || bytes[at + 13] !== COLON || bytes[at + 16] !== COLON)
      return Number.NaN
    const day = (twoDigits(bytes, at) * 100 + twoDigits(bytes, at + 2)) * 10_000 + twoDigits(bytes, at + 5) * 100 + twoDigits(bytes, at + 8)
    const [hour, minute, second] = [twoDigits(bytes, at + 11), twoDigits(bytes, at + 14), twoDigits(bytes, at + 17)]
    const ms = this.timestampEnd === at + SECONDS_BYTES ? 0 : twoDigits(bytes, at + 20) * 10 + digit(bytes[at + 22])
    if (!(hour <= 23 && minute <= 59 && second <= 59)) return Number.NaN
    if (day !== this.#day) {
      this.#dayMs = beginOfDay(day)
      this.#day = day
    }
    return this.#dayMs + ((hour * 60 + minute) * 60 + second) * 1000 + ms
  }
}

const [DOT, LETTER_T, ZERO] = [0x2e, 0x54, 0x30]
const [EVENT_ID, PROJECT_ID, METRIC, VALUE] = [bytesOf('{"event_id":"'), bytesOf('","project_id":"'), bytesOf('","metric":"'), bytesOf('","value":')]
const [TIMESTAMP, TIMESTAMP_AFTER_STRING, END] = [bytesOf(',"timestamp":"'), bytesOf('","timestamp":"'), bytesOf('Z"}')]
/** Of a timestamp, which ends with a Z. */
const [FRACTION_AT, SECONDS_BYTES, MILLISECONDS_BYTES] = [19, 20, 24]
/** Ids and names that are longer may be valid or not: that is decided elsewhere. */
const ID_BYTES_MAX = 128
const METRIC_BYTES_MAX = 63
/** A decimal that is so short is exact in every parser (metering/quantity.ts). */
const EXACT_CHARACTERS_MAX = 15
const [INTEGER_DIGITS_MAX, FRACTION_DIGITS_MAX] = [29, 9]

/** Of ASCII: control characters, quotation marks and backslashes are left to the decoder. */
const IS_OF_EVENT_ID = tableOf(/[\x20\x21\x23-\x5b\x5d-\x7e]/)
const IS_OF_PROJECT_ID = tableOf(/[A-Za-z0-9_.:-]/)
const IS_OF_METRIC = tableOf(/[a-z0-9_]/)

/** 1 for the bytes of the characters that match. */
function tableOf(characters: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (characters.test(String.fromCharCode(byte)) ? 1 : 0))
}

function bytesOf(ascii: string): Uint8Array {
  return Uint8Array.from(ascii, (character) => character.charCodeAt(0))
}

function isLength(length: number, max: number): boolean {
  return length >= 1 && length <= max
}

/** The position behind these bytes, or -1 if others are at `from`. */
function behind(bytes: Uint8Array, from: number, expected: Uint8Array): number {
  const { length } = expected
  if (from + length > bytes.length) return -1
  for (let at = 0; at < length; at += 1) if (bytes[from + at] !== expected[at]) return -1
  return from + length
}

/** The position of the first byte that is not in the table. */
function behindCharacters(bytes: Uint8Array, from: number, table: Uint8Array): number {
  const { length } = bytes
  let at = from
  while (at < length && table[bytes[at] ?? 0] === 1) at += 1
  return at
}

/** The position behind a decimal in its shortest form (metering/quantity.ts), or -1. */
function behindDecimal(bytes: Uint8Array, from: number): number {
  const point = behindDigits(bytes, from)
  const isShortest = bytes[from] !== ZERO || point === from + 1
  if (!isShortest || !isLength(point - from, INTEGER_DIGITS_MAX)) return -1
  if (bytes[point] !== DOT) return point
  const end = behindDigits(bytes, point + 1)
  return bytes[end - 1] !== ZERO && isLength(end - point - 1, FRACTION_DIGITS_MAX) ? end : -1
}

function behindDigits(bytes: Uint8Array, from: number): number {
  const { length } = bytes
  let at = from
  while (at < length && isDigit(bytes[at] ?? 0)) at += 1
  return at
}

function twoDigits(bytes: Uint8Array, at: number): number {
  return digit(bytes[at]) * 10 + digit(bytes[at + 1])
}

/** NaN if it is not a digit. */
function digit(byte: number | undefined): number {
  return byte !== undefined && isDigit(byte) ? byte - ZERO : Number.NaN
}

/** The begin of the day YYYYMMDD, in ms since 1970; NaN if it does not exist. Date.UTC would turn 30 February into 2 March, and the year 26 into 1926. */
function beginOfDay(day: number): number {
  const [year, month, dayOfMonth] = [Math.floor(day / 10_000), Math.floor(day / 100) % 100, day % 100]
  const ms = Date.UTC(year, month - 1, dayOfMonth)
  // A day of two digits that the month does not have is a day of another month.
  return year >= 1000 && new Date(ms).getUTCMonth() === month - 1 ? ms : Number.NaN
}
