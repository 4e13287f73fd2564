/** An internal module of kafkajs, without types of its own. */
declare module 'kafkajs/src/protocol/requests/fetch/v11/response.js' {
  namespace response {
    interface FetchedMessage {
      readonly offset: string
      readonly batchContext?: { readonly producerId: string; readonly inTransaction: boolean }
      isControlRecord: boolean
    }
    interface FetchedPartition {
      abortedTransactions: readonly { readonly producerId: string; readonly firstOffset: string }[]
      readonly messages: readonly FetchedMessage[]
    }
  }
  const response: { decode(bytes: Buffer): Promise<{ readonly responses: readonly { readonly partitions: readonly response.FetchedPartition[] }[] }> }
  export = response
}
