import { JSON_LEVELS_MAX } from '../../contract/events.ts'

/**
 * Walks over JSON without building what it holds. Every byte is visited once, so the cost of a body depends on its length alone:
 * JSON.parse takes a hundred times as long for some bodies, such as those with a million different names or levels.
 *
 * `text` has one character for each byte (latin1), so that positions are those of the bytes. All syntax of JSON is ASCII; whether
 * strings are UTF-8 is checked elsewhere. Every function returns the position behind what it skips. If that is not JSON, it returns a
 * negative number, which isFailure detects and from which failureAt gets the position of the first error.
 */
export function failAt(position: number): number {
  return -1 - position
}

export function isFailure(end: number): boolean {
  return end < 0
}

export function failureAt(end: number): number {
  return -1 - end
}

export const [QUOTE, COMMA, COLON, MINUS] = [0x22, 0x2c, 0x3a, 0x2d]
export const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [0x7b, 0x7d, 0x5b, 0x5d]

/** The position of the first character that is not white space. */
export function skipSpace(text: string, from: number): number {
  let at = from
  while (isSpace(text.charCodeAt(at))) at += 1
  return at
}

/** Skips a value of any kind. Its nesting is kept in a list, not on the stack of calls, which a hostile body could overflow. */
export function skipValue(text: string, from: number): number {
  const code = text.charCodeAt(from)
  if (code === QUOTE) return skipString(text, from)
  return code === OPEN_OBJECT || code === OPEN_ARRAY ? skipContainer(text, from) : skipScalar(text, from)
}

function skipContainer(text: string, from: number): number {
  const open: number[] = []
  let at = from
  for (;;) {
    const code = text.charCodeAt(at)
    if (code !== OPEN_OBJECT && code !== OPEN_ARRAY) at = skipScalar(text, at)
    else {
      const close = code === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_ARRAY
      at = skipSpace(text, at + 1)
      if (text.charCodeAt(at) === close) at += 1
      else {
        if (open.length === JSON_LEVELS_MAX) return failAt(at)
        open.push(close)
        if (close === CLOSE_OBJECT) at = skipName(text, at)
        if (isFailure(at)) return at
        continue
      }
    }
    if (!isFailure(at)) at = skipToNextValue(text, at, open)
    if (isFailure(at) || open.length === 0) return at
  }
}

/** Skips a name, the colon and the white space before a member's value. */
function skipName(text: string, from: number): number {
  const end = skipString(text, from)
  if (isFailure(end)) return end
  const colon = skipSpace(text, end)
  return text.charCodeAt(colon) === COLON ? skipSpace(text, colon + 1) : failAt(colon)
}

export function skipString(text: string, from: number): number {
  if (text.charCodeAt(from) !== QUOTE) return failAt(from)
  let at = from + 1
  for (;;) {
    while (IS_ORDINARY[text.charCodeAt(at)] === 1) at += 1
    const code = text.charCodeAt(at)
    if (code === QUOTE) return at + 1
    // A control character, or the end of the text.
    if (code !== BACKSLASH) return failAt(at)
    at = skipEscape(text, at + 1)
    if (isFailure(at)) return at
  }
}

function skipEscape(text: string, from: number): number {
  const code = text.charCodeAt(from)
  if (code !== LETTER_U) return isEscape(code) ? from + 1 : failAt(from)
  for (let at = from + 1; at <= from + HEX_DIGITS; at += 1) if (!isHexDigit(text.charCodeAt(at))) return failAt(at)
  return from + HEX_DIGITS + 1
}

/** After a value: closes what ends here, and goes on to the next value of what does not. With nothing open it stays. */
function skipToNextValue(text: string, from: number, open: number[]): number {
  let at = from
  while (open.length > 0) {
    at = skipSpace(text, at)
    const close = open[open.length - 1]
    const code = text.charCodeAt(at)
    if (code === close) {
      open.pop()
      at += 1
    } else if (code === COMMA) {
      at = skipSpace(text, at + 1)
      return close === CLOSE_OBJECT ? skipName(text, at) : at
    } else return failAt(at)
  }
  return at
}

function skipScalar(text: string, from: number): number {
  const code = text.charCodeAt(from)
  if (code === QUOTE) return skipString(text, from)
  if (code === MINUS || isDigit(code)) return skipNumber(text, from)
  const literal = LITERALS.find((each) => text.startsWith(each, from))
  return literal === undefined ? failAt(from) : from + literal.length
}

function skipNumber(text: string, from: number): number {
  const first = text.charCodeAt(from) === MINUS ? from + 1 : from
  let at = skipDigits(text, first)
  if (at === first || (text.charCodeAt(first) === ZERO && at > first + 1)) return failAt(first)
  if (text.charCodeAt(at) === POINT) {
    const fraction = at + 1
    at = skipDigits(text, fraction)
    if (at === fraction) return failAt(at)
  }
  if ((text.charCodeAt(at) | LOWER_CASE) !== LETTER_E) return at
  const sign = text.charCodeAt(at + 1)
  const exponent = sign === PLUS || sign === MINUS ? at + 2 : at + 1
  at = skipDigits(text, exponent)
  return at === exponent ? failAt(at) : at
}

function skipDigits(text: string, from: number): number {
  let at = from
  while (isDigit(text.charCodeAt(at))) at += 1
  return at
}

const LITERALS = ['true', 'false', 'null']
const [BACKSLASH, POINT, PLUS, ZERO, LETTER_E, LETTER_U] = [0x5c, 0x2e, 0x2b, 0x30, 0x65, 0x75]
const LOWER_CASE = 0x20
const HEX_DIGITS = 4
/** 1 for the bytes that stand for themselves in a string. A table is faster than comparisons, and every byte of a body passes here. */
const IS_ORDINARY = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0))
const ESCAPES = '"\\/bfnrt'

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}

export function isDigit(code: number): boolean {
  return code >= ZERO && code <= 0x39
}

function isHexDigit(code: number): boolean {
  const lower = code | LOWER_CASE
  return isDigit(code) || (lower >= 0x61 && lower <= 0x66)
}

function isEscape(code: number): boolean {
  return ESCAPES.includes(String.fromCharCode(code))
}
