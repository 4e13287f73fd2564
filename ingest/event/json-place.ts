import { isUtf8 } from 'node:buffer'
import { JSON_LEVELS_MAX } from '../../contract/events.ts'

/** What is wrong with a text that is not JSON, and where: `at` counts bytes from 0. */
export function describeNotJson(what: string, at: number): string {
  return `${what} is not JSON in UTF-8, or is nested deeper than ${JSON_LEVELS_MAX} levels. The first error is at byte ${at}, counted from 0.`
}

/** The position of the first byte that is not UTF-8. The bytes must have one. */
export function firstByteNotUtf8(bytes: Buffer): number {
  let [valid, invalid] = [0, bytes.length]
  while (invalid - valid > CHARACTER_BYTES_MAX) {
    const middle = startOfCharacter(bytes, (valid + invalid) >> 1)
    if (middle <= valid) break
    if (isUtf8(bytes.subarray(valid, middle))) valid = middle
    else invalid = middle
  }
  // The end of a prefix that is UTF-8 is where the first character begins that is not.
  for (let end = invalid; end > valid; end -= 1) if (isUtf8(bytes.subarray(valid, end))) return end
  return valid
}

const CHARACTER_BYTES_MAX = 4

/** Goes back over the bytes that continue a character. */
function startOfCharacter(bytes: Buffer, from: number): number {
  let at = from
  while (from - at < CHARACTER_BYTES_MAX - 1 && ((bytes[at] ?? 0) & 0xc0) === 0x80) at -= 1
  return at
}
