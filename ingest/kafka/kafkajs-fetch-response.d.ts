/** Internal modules of kafkajs, without types of their own. */
declare module 'kafkajs/src/protocol/requests/fetch/v11/response.js' {
  namespace response {
    interface FetchedMessage {
      readonly offset: string
      readonly timestamp: string
      readonly value: Buffer | null
      readonly batchContext?: { readonly producerId: string; readonly inTransaction: boolean; readonly partitionLeaderEpoch: number }
      isControlRecord: boolean
      readonly unreadable?: { readonly first: number; readonly reason: string }
    }
    interface FetchedPartition {
      abortedTransactions: readonly { readonly producerId: string; readonly firstOffset: string }[]
      readonly messages: readonly FetchedMessage[]
    }
  }
  const response: { decode(bytes: Buffer): Promise<{ readonly responses: readonly { readonly partitions: readonly response.FetchedPartition[] }[] }> }
  export = response
}

declare module 'kafkajs/src/protocol/decoder.js' {
  class Decoder {
    constructor(bytes: Buffer)
    readInt16(): number
    readInt32(): number
    readInt64(): { toString(): string }
    readString(): string
    /** Of the length that precedes them; null if it is -1. */
    readBytes(): Buffer | null
    readArray<T>(read: () => T): T[]
    readArrayAsync<T>(read: () => Promise<T>): Promise<T[]>
  }
  export = Decoder
}

declare module 'kafkajs/src/protocol/messageSet/decoder.js' {
  const readMessageSet: (
    decoder: import('kafkajs/src/protocol/decoder.js'),
    bytes: number,
  ) => Promise<import('kafkajs/src/protocol/requests/fetch/v11/response.js').FetchedMessage[]>
  export = readMessageSet
}

declare module 'kafkajs/src/protocol/recordBatch/v0/decoder.js' {
  const readRecordBatch: (
    decoder: import('kafkajs/src/protocol/decoder.js'),
  ) => Promise<{ records: import('kafkajs/src/protocol/requests/fetch/v11/response.js').FetchedMessage[] }>
  export = readRecordBatch
}
