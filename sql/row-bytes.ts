import { escapeField } from './tab-separated.ts'

/**
 * Writes rows of TabSeparated as bytes, field by field. A string of each row, and of all rows, would be joined, flattened and copied first;
 * that and collecting what it leaves behind takes three times as long.
 */
export class RowBytes {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES)
  #length = 0

  /** Appends a field and a tab. */
  text(text: string): void {
    const { length } = text
    this.#reserve(length * ESCAPED_BYTES_PER_CHARACTER_MAX + 1)
    const bytes = this.#bytes
    let end = this.#length
    for (let at = 0; at < length; at += 1) {
      const code = text.charCodeAt(at)
      if (IS_PLAIN[code] !== 1) {
        end = this.#length + bytes.write(escapeField(text), this.#length, 'utf8')
        break
      }
      bytes[end] = code
      end += 1
    }
    bytes[end] = TAB
    this.#length = end + 1
  }

  /** Appends an integer and a tab. Throws for a number that is no exact integer of at least 0. */
  integer(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is not an integer from 0 to 2^53 - 1.`)
    this.#reserve(INTEGER_DIGITS_MAX + 1)
    let digits = 1
    for (let limit = 10; limit <= value; limit *= 10) digits += 1
    let rest = value
    for (let at = this.#length + digits - 1; at >= this.#length; at -= 1) {
      const tenth = Math.floor(rest / 10)
      this.#bytes[at] = ZERO + (rest - tenth * 10)
      rest = tenth
    }
    this.#bytes[this.#length + digits] = TAB
    this.#length += digits + 1
  }

  /** Appends the last fields of a row, which are escaped already, and ends it. */
  end(fields: string): void {
    this.#reserve(fields.length * UTF8_BYTES_PER_CHARACTER_MAX + 1)
    const bytes = this.#bytes
    let end = this.#length
    for (let at = 0; at < fields.length; at += 1) {
      const code = fields.charCodeAt(at)
      if (code > ASCII_MAX) {
        end = this.#length + bytes.write(fields, this.#length, 'utf8')
        break
      }
      bytes[end] = code
      end += 1
    }
    bytes[end] = LINE_FEED
    this.#length = end + 1
  }

  toBuffer(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  #reserve(needed: number): void {
    if (this.#length + needed <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.#length + needed, this.#bytes.length * 2))
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }
}

const FIRST_BYTES = 64 * 1024
const [TAB, LINE_FEED, ZERO, ASCII_MAX] = [0x09, 0x0a, 0x30, 0x7f]
/** Of 2^53 - 1. */
const INTEGER_DIGITS_MAX = 16
const UTF8_BYTES_PER_CHARACTER_MAX = 3
const ESCAPED_BYTES_PER_CHARACTER_MAX = 3
/** 1 for the characters that are one byte and need no escape. */
const IS_PLAIN = Uint8Array.from({ length: 128 }, (_, code) => (code >= 0x20 && code !== 0x5c ? 1 : 0))
