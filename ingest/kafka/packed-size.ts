/** What snappy bytes unpack to, in the framing of the Java library or without framing. 0 if they state no size. */
export function snappyBytes(bytes: Buffer): number {
  if (!bytes.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return statedBytes(bytes, 0)
  let total = 0
  for (let at = XERIAL_HEADER_BYTES; at + SIZE_BYTES <= bytes.length; ) {
    total += statedBytes(bytes, at + SIZE_BYTES)
    at += SIZE_BYTES + bytes.readUInt32BE(at)
  }
  return total
}

/** The size with which a block of snappy begins: 7 bits a byte, the lowest first. */
function statedBytes(bytes: Buffer, start: number): number {
  let size = 0
  for (let index = 0; index < 5; index += 1) {
    const byte = bytes[start + index] ?? 0
    size += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) break
  }
  return size
}

/** An upper bound of what frames of LZ4 unpack to, by the sizes of their blocks. Where they are damaged it ends. */
export function lz4BytesMax(bytes: Buffer): number {
  let total = 0
  for (let at = 0; at + LZ4_HEADER_BYTES_MIN <= bytes.length; ) {
    if (bytes.readUInt32LE(at) !== LZ4_MAGIC) break
    const flags = bytes.readUInt8(at + 4)
    const blockMax = LZ4_BLOCK_BYTES[(bytes.readUInt8(at + 5) >> 4) & 7] ?? LZ4_BLOCK_BYTES_MAX
    at += LZ4_HEADER_BYTES_MIN + ((flags & 8) === 0 ? 0 : 8) + ((flags & 1) === 0 ? 0 : 4)
    for (;;) {
      if (at + SIZE_BYTES > bytes.length) return total
      const size = bytes.readUInt32LE(at)
      at += SIZE_BYTES
      if (size === 0) break
      const packed = size % LZ4_IS_PLAIN
      total += size >= LZ4_IS_PLAIN ? packed : Math.min(blockMax, packed * LZ4_RATIO_MAX)
      at += packed + ((flags & 16) === 0 ? 0 : SIZE_BYTES)
    }
    if ((flags & 4) !== 0) at += SIZE_BYTES
  }
  return total
}

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])
const XERIAL_HEADER_BYTES = 16
const SIZE_BYTES = 4
const LZ4_MAGIC = 0x184d2204
const LZ4_HEADER_BYTES_MIN = 7
const LZ4_BLOCK_BYTES_MAX = 4 * 1024 * 1024
const LZ4_BLOCK_BYTES: Readonly<Record<number, number>> = { 4: 64 * 1024, 5: 256 * 1024, 6: 1024 * 1024, 7: LZ4_BLOCK_BYTES_MAX }
/** The highest bit of a block's size says that it is not compressed. */
const LZ4_IS_PLAIN = 2 ** 31
const LZ4_RATIO_MAX = 255
