import { Decompress } from 'fzstd'
import { CliError } from '../errors.ts'

export const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])
/** Node 20 has no zstd, and fzstd follows references no further back. Levels up to 19 need 8 MiB. */
const WINDOW_BYTES_MAX = 32 * 1024 * 1024

/** Unpacks zstd chunk by chunk. Throws CliError for what only the program zstd can unpack. */
export async function* unpackZstd(chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  let parts: Buffer[] = []
  const stream = new Decompress((part) => {
    parts.push(Buffer.from(part.buffer, part.byteOffset, part.length))
  })
  let isFirst = true
  for await (const chunk of chunks) {
    if (isFirst && windowOf(chunk) > WINDOW_BYTES_MAX)
      throw new CliError('The zstd file has a window of more than 32 MiB, which this program cannot unpack. Use a pipe: zstd -dc FILE | meterline import -')
    isFirst = false
    stream.push(chunk)
    yield* parts
    parts = []
  }
  stream.push(new Uint8Array(0), true)
  yield* parts
}

/** The window that the first frame needs (RFC 8878, section 3.1.1.1.2); 0 if its content is one segment. */
function windowOf(frame: Buffer): number {
  const [descriptor = 0, window = 0] = frame.subarray(ZSTD_MAGIC.length)
  if ((descriptor & 0x20) !== 0) return 0
  const base = 2 ** (10 + (window >> 3))
  return base + (base / 8) * (window & 7)
}
