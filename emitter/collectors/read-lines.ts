const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const LINE_BYTES_MAX = 64 * 1024

export interface Line {
  /** Without its end; at most 64 KiB of it. */
  readonly bytes: Buffer
  readonly isTooLong: boolean
  /** The first line is 1. */
  readonly number: number
  /** Whether the content has its end. If not, it may be the beginning of a line that is still being written. */
  readonly isEnded: boolean
}

/** Splits content into lines, with bounded memory. */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  let pending: Buffer = Buffer.alloc(0)
  let bytes = 0
  let number = 1
  const line = (end: Buffer, isEnded: boolean): Line => {
    pending = join(pending, end)
    bytes += end.length
    const isTooLong = bytes > LINE_BYTES_MAX
    const found = { bytes: isEnded ? withoutReturn(pending) : pending, isTooLong, number, isEnded }
    number += 1
    pending = Buffer.alloc(0)
    bytes = 0
    return found
  }
  for await (const part of chunks) {
    const chunk = Buffer.from(part.buffer, part.byteOffset, part.byteLength)
    let from = 0
    for (let feed = chunk.indexOf(LINE_FEED); feed !== -1; feed = chunk.indexOf(LINE_FEED, from)) {
      yield line(chunk.subarray(from, feed), true)
      from = feed + 1
    }
    pending = join(pending, chunk.subarray(from))
    bytes += chunk.length - from
  }
  if (bytes > 0) yield line(Buffer.alloc(0), false)
}

function join(before: Buffer, more: Buffer): Buffer {
  if (before.length === 0) return more.subarray(0, LINE_BYTES_MAX)
  return Buffer.concat([before, more.subarray(0, LINE_BYTES_MAX - before.length)])
}

function withoutReturn(bytes: Buffer): Buffer {
  return bytes[bytes.length - 1] === CARRIAGE_RETURN ? bytes.subarray(0, -1) : bytes
}
