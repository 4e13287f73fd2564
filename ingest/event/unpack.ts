import { promisify } from 'node:util'
import { brotliDecompress, gunzip, type InputType, inflate, type ZlibOptions } from 'node:zlib'
import { Decompress, decompress } from 'fzstd'
import { measureZstd } from './measure-zstd.ts'

/** The codings that are unpacked, by their names in Content-Encoding. */
export const CODINGS = ['gzip', 'deflate', 'br', 'zstd'] as const
export type Coding = (typeof CODINGS)[number]

/** The bytes cannot be unpacked: `too_large` within the limit, `damaged` at all. */
export class NotUnpacked extends Error {
  readonly fault: 'too_large' | 'damaged'
  constructor(fault: 'too_large' | 'damaged', message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'NotUnpacked'
    this.fault = fault
  }
}

/** Unpacks bytes to at most `bytesMax`: a few kilobytes can unpack to gigabytes. Throws NotUnpacked. */
export async function unpack(bytes: Buffer, coding: Coding, bytesMax: number): Promise<Buffer> {
  try {
    return coding === 'zstd' ? unpackZstd(bytes, bytesMax) : await ZLIB[coding](bytes, { maxOutputLength: bytesMax, chunkSize: CHUNK_BYTES })
  } catch (error) {
    if (error instanceof NotUnpacked) throw error
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(bytesMax)
    throw new NotUnpacked('damaged', `The bytes are not ${coding}.`, error)
  }
}

const ZLIB: Readonly<Record<Exclude<Coding, 'zstd'>, (bytes: InputType, options: ZlibOptions) => Promise<Buffer>>> = {
  gzip: promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
}
const CHUNK_BYTES = 64 * 1024

/** Node 20 has no zstd, and fzstd has no limits: what it would need is measured first. */
function unpackZstd(bytes: Buffer, bytesMax: number): Buffer {
  const { unpackedBytes, windowBytesMax, copiedBytes } = measureZstd(bytes)
  if (unpackedBytes !== undefined) {
    if (unpackedBytes > bytesMax) throw tooLarge(bytesMax)
    return Buffer.from(decompress(bytes))
  }
  if (windowBytesMax > Math.max(bytesMax, ZSTD_WINDOW_BYTES_MAX) || copiedBytes > ZSTD_COPIED_PER_BYTE_MAX * bytesMax) throw tooLarge(bytesMax)
  const parts: Uint8Array[] = []
  let length = 0
  const stream = new Decompress((part) => {
    length += part.length
    if (length > bytesMax) throw tooLarge(bytesMax)
    parts.push(part)
  })
  stream.push(bytes, true)
  return Buffer.concat(parts, length)
}

/** RFC 9659: the largest window that a decoder of Content-Encoding must support. */
const ZSTD_WINDOW_BYTES_MAX = 8 * 1024 * 1024
/** fzstd moves its whole window for each block, which of tiny blocks would take minutes. Blocks of usual size stay far below. */
const ZSTD_COPIED_PER_BYTE_MAX = 128

function tooLarge(bytesMax: number): NotUnpacked {
  return new NotUnpacked('too_large', `The bytes unpack to more than ${bytesMax} bytes, or need too much memory for it.`)
}
