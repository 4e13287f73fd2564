declare module 'kafkajs-snappy' {
  import type { ICompressionCodec } from 'kafkajs'

  const snappy: () => ICompressionCodec
  export = snappy
}
