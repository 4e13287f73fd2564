import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import kafkajs from 'kafkajs'
import snappy from 'kafkajs-snappy'
import { decompressFrame } from 'lz4-napi'
import { NotUnpacked, unpack } from '../event/unpack.ts'
import { lz4BytesMax, snappyBytes } from './packed-size.ts'

const { CompressionCodecs, CompressionTypes } = kafkajs

/**
 * What a batch of records may unpack to. A producer's batch is a few MiB at most, but a few kilobytes can be made that unpack to gigabytes.
 */
export const BATCH_UNPACKED_BYTES_MAX = 64 * 1024 * 1024

/**
 * kafkajs has a codec for gzip only, without a limit, but the producers of a topic may have chosen any other. What this service
 * produces is not compressed.
 */
export function registerCodecs(): void {
  for (const codec of ['Snappy', 'LZ4', 'ZSTD'] as const)
    CompressionCodecs[CompressionTypes[codec]] = () => ({ compress: rejectCodec, decompress: counted(UNPACK[codec]) })
  CompressionCodecs[CompressionTypes.GZIP] = () => ({ compress: ({ buffer }: { buffer: Buffer }) => promisify(gzip)(buffer), decompress: counted(UNPACK.GZIP) })
}

let unpacked = 0

/** What the registered codecs have unpacked since the start of the process. */
export function unpackedBytes(): number {
  return unpacked
}

function counted(unpackBatch: (bytes: Buffer) => Promise<Buffer>) {
  return async (bytes: Buffer) => {
    const result = await unpackBatch(bytes)
    unpacked += result.length
    return result
  }
}

/** Each throws NotUnpacked for more than BATCH_UNPACKED_BYTES_MAX. */
export const UNPACK: Readonly<Record<'GZIP' | 'Snappy' | 'LZ4' | 'ZSTD', (bytes: Buffer) => Promise<Buffer>>> = {
  GZIP: (bytes) => unpack(bytes, 'gzip', BATCH_UNPACKED_BYTES_MAX),
  Snappy: async (bytes) => {
    requireSize(snappyBytes(bytes))
    return snappy().decompress(bytes)
  },
  LZ4: async (bytes) => {
    requireSize(lz4BytesMax(bytes))
    return decompressFrame(bytes)
  },
  ZSTD: (bytes) => unpack(bytes, 'zstd', BATCH_UNPACKED_BYTES_MAX),
}

function requireSize(bytes: number): void {
  if (bytes > BATCH_UNPACKED_BYTES_MAX) throw new NotUnpacked('too_large', `A batch of the topic unpacks to more than ${BATCH_UNPACKED_BYTES_MAX} bytes.`)
}

function rejectCodec(): never {
  throw new Error('This codec is for reading only.')
}
