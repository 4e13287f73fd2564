/** An internal module of kafkajs, without types of its own. */
declare module 'kafkajs/src/protocol/requests/metadata/v6/response.js' {
  interface DecodedMetadata {
    readonly topicMetadata: readonly { readonly partitionMetadata: readonly { partitionErrorCode: number }[] }[]
  }
  const response: { decode(bytes: Buffer): Promise<DecodedMetadata> }
  export = response
}
