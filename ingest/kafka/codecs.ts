import { decompress as decompressZstd } from 'fzstd'
import kafkajs from 'kafkajs'
import snappy from 'kafkajs-snappy'
import { decompressFrame } from 'lz4-napi'

const { CompressionCodecs, CompressionTypes } = kafkajs

/**
 * kafkajs has a codec for gzip only, but the producers of a topic may have chosen any other. These are for reading only: what this
 * service produces is not compressed.
 */
export function registerCodecs(): void {
  CompressionCodecs[CompressionTypes.Snappy] = snappy
  CompressionCodecs[CompressionTypes.LZ4] = () => ({ compress: rejectCodec, decompress: (bytes: Buffer) => decompressFrame(bytes) })
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({ compress: rejectCodec, decompress: async (bytes: Buffer) => Buffer.from(decompressZstd(bytes)) })
}

function rejectCodec(): never {
  throw new Error('This codec is for reading only.')
}
