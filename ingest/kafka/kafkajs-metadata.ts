import response from 'kafkajs/src/protocol/requests/metadata/v6/response.js'

const { decode } = response

/**
 * kafkajs rejects the metadata of all topics when one partition has no leader: then nothing is produced, read or joined until that
 * partition has one again. Here such a partition keeps its leader -1 and no error, so that only requests for it fail. It applies
 * to the version of the request that kafkajs uses with Kafka 2.0 and later. kafkajs has no setting for it.
 */
export function acceptPartitionsWithoutLeader(): void {
  response.decode = async (bytes) => {
    const metadata = await decode(bytes)
    for (const { partitionMetadata } of metadata.topicMetadata)
      for (const partition of partitionMetadata) if (partition.partitionErrorCode === LEADER_NOT_AVAILABLE) partition.partitionErrorCode = 0
    return metadata
  }
}

const LEADER_NOT_AVAILABLE = 5
