import { crc32 } from 'node:zlib'

const CHECKSUM_CHARACTERS = 8

/** A line of a segment: the checksum of the event's JSON, a space, and the JSON, which contains no line feed. */
export function recordOf(text: string): string {
  return `${checksumOf(text)} ${text}\n`
}

/**
 * Reads the events of a segment. A process that is killed while it writes leaves a last line without an end, whose event was not accepted yet;
 * it is left out. `damaged` counts other lines that are not as they were written.
 */
export function readRecords(content: string): { texts: string[]; damaged: number } {
  // After the last line feed there is either nothing or a torn line.
  const lines = content.split('\n').slice(0, -1)
  const texts = lines.flatMap((line) => {
    const text = line.slice(CHECKSUM_CHARACTERS + 1)
    return line.slice(0, CHECKSUM_CHARACTERS) === checksumOf(text) ? [text] : []
  })
  return { texts, damaged: lines.length - texts.length }
}

function checksumOf(text: string): string {
  return crc32(text).toString(16).padStart(CHECKSUM_CHARACTERS, '0')
}
