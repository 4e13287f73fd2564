export interface ZstdMeasure {
  /** The size after unpacking, if every frame states it. */
  readonly unpackedBytes: number | undefined
  readonly windowBytesMax: number
  /** What is moved if the window is moved for each block. */
  readonly copiedBytes: number
}

/** Measures zstd (RFC 8878, section 3.1) without unpacking it, by its headers alone. Throws RangeError if these are damaged. */
export function measureZstd(bytes: Buffer): ZstdMeasure {
  let unpackedBytes: number | undefined = 0
  let windowBytesMax = 0
  let copiedBytes = 0
  for (let at = 0; at < bytes.length; ) {
    const magic = bytes.readUInt32LE(at)
    if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) {
      at += SKIPPABLE_HEADER_BYTES + bytes.readUInt32LE(at + MAGIC_BYTES)
      continue
    }
    if (magic !== FRAME_MAGIC) throw new RangeError('The bytes are not zstd.')
    const frame = measureFrame(bytes, at + MAGIC_BYTES)
    unpackedBytes = unpackedBytes === undefined || frame.contentBytes === undefined ? undefined : unpackedBytes + frame.contentBytes
    windowBytesMax = Math.max(windowBytesMax, frame.windowBytes)
    copiedBytes += frame.blocks * frame.windowBytes
    at = frame.end
  }
  return { unpackedBytes, windowBytesMax, copiedBytes }
}

function measureFrame(bytes: Buffer, start: number): { contentBytes: number | undefined; windowBytes: number; blocks: number; end: number } {
  const descriptor = bytes.readUInt8(start)
  const isSingleSegment = (descriptor & 0x20) !== 0
  let at = start + 1
  const windowDescriptor = isSingleSegment ? undefined : bytes.readUInt8(at++)
  at += DICTIONARY_ID_BYTES[descriptor & 3] ?? 0
  const sizeFlag = descriptor >> 6
  const sizeBytes = sizeFlag === 0 ? Number(isSingleSegment) : 1 << sizeFlag
  const contentBytes =
    sizeBytes === 0 ? undefined : sizeBytes === 8 ? Number(bytes.readBigUInt64LE(at)) : bytes.readUIntLE(at, sizeBytes) + (sizeBytes === 2 ? 256 : 0)
  at += sizeBytes
  const { blocks, end } = walkBlocks(bytes, at)
  const windowBytes = windowDescriptor === undefined ? (contentBytes ?? 0) : windowOf(windowDescriptor)
  return { contentBytes, windowBytes, blocks, end: end + ((descriptor & 4) === 0 ? 0 : CHECKSUM_BYTES) }
}

function walkBlocks(bytes: Buffer, start: number): { blocks: number; end: number } {
  let at = start
  for (let blocks = 1; ; blocks += 1) {
    const header = bytes.readUIntLE(at, BLOCK_HEADER_BYTES)
    const isRepeatedByte = ((header >> 1) & 3) === 1
    at += BLOCK_HEADER_BYTES + (isRepeatedByte ? 1 : header >> 3)
    if ((header & 1) === 1) return { blocks, end: at }
  }
}

function windowOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3))
  return base + (base / 8) * (descriptor & 7)
}

const [FRAME_MAGIC, SKIPPABLE_MAGIC] = [0xfd2fb528, 0x184d2a50]
const [MAGIC_BYTES, SKIPPABLE_HEADER_BYTES, BLOCK_HEADER_BYTES, CHECKSUM_BYTES] = [4, 8, 3, 4]
const DICTIONARY_ID_BYTES = [0, 1, 2, 4]
