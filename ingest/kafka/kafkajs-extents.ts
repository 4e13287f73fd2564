import type { Assigner, Broker, Cluster, Kafka } from 'kafkajs'
import { KafkaUnavailable, type PartitionExtent } from './topic.ts'

/**
 * Asks the leaders of a topic's partitions where their logs begin and end. The admin client of kafkajs cannot be used for it: it asks as
 * read-committed, so its end is the last stable offset, and acknowledged events behind an open transaction would lie beyond the end.
 * And it answers for all partitions or for none.
 */
export class KafkajsExtents {
  readonly #cluster: Cluster
  readonly #topic: string
  /** True after a request has failed: a leader may have moved, or a connection may hang. Then open another one. */
  failed = false

  private constructor(cluster: Cluster, topic: string) {
    this.#cluster = cluster
    this.#topic = topic
  }

  static async open(kafka: Kafka, topic: string): Promise<KafkajsExtents> {
    const extents = new KafkajsExtents(clusterOf(kafka), topic)
    try {
      await extents.#cluster.connect()
      await extents.#cluster.addTargetTopic(topic)
      return extents
    } catch (error) {
      await extents.close()
      throw error
    }
  }

  /** The extent of each partition, undefined for one that does not answer. Throws if no partition does. */
  async read(): Promise<(PartitionExtent | undefined)[]> {
    try {
      await this.#cluster.refreshMetadata()
      const partitions = this.#cluster.findTopicPartitionMetadata(this.#topic)
      const extents: (PartitionExtent | undefined)[] = partitions.map(() => undefined)
      const byLeader = new Map<number, number[]>()
      for (const { partitionId, leader } of partitions) if (leader >= 0) byLeader.set(leader, [...(byLeader.get(leader) ?? []), partitionId])
      await Promise.all([...byLeader].map(([leader, led]) => this.#readFrom(leader, led, extents)))
      if (extents.every((extent) => extent === undefined)) throw new KafkaUnavailable(`No partition of the topic ${this.#topic} has a leader that answers.`)
      return extents
    } catch (error) {
      this.failed = true
      throw error
    }
  }

  async close(): Promise<void> {
    await this.#cluster.disconnect().catch(() => {})
  }

  /** A leader that rejects one partition fails the whole request; then each is asked for alone. */
  async #readFrom(leader: number, partitions: readonly number[], extents: (PartitionExtent | undefined)[]): Promise<void> {
    try {
      const broker = (await this.#cluster.findBroker({ nodeId: String(leader) })) as OffsetsBroker
      const begins = await this.#list(broker, partitions, BEGIN)
      // The stable end is read after the end: of a partition without an open transaction it is never below.
      const ends = await this.#list(broker, partitions, END)
      const stable = await this.#list(broker, partitions, STABLE_END)
      for (const partition of partitions) extents[partition] = extentOf(begins.get(partition), ends.get(partition), stable.get(partition))
    } catch {
      this.failed = true
      if (partitions.length > 1) for (const partition of partitions) await this.#readFrom(leader, [partition], extents)
    }
  }

  async #list(broker: OffsetsBroker, partitions: readonly number[], { timestamp, isolationLevel }: OffsetKind): Promise<Map<number, number>> {
    const topics = [{ topic: this.#topic, partitions: partitions.map((partition) => ({ partition, timestamp })) }]
    const { responses } = await broker.listOffsets({ isolationLevel, topics })
    return new Map(responses.flatMap((each) => each.partitions.map(({ partition, offset }) => [partition, Number(offset)] as const)))
  }
}

interface OffsetKind {
  readonly timestamp: number
  readonly isolationLevel: number
}

const [READ_UNCOMMITTED, READ_COMMITTED] = [0, 1]
const BEGIN: OffsetKind = { timestamp: -2, isolationLevel: READ_UNCOMMITTED }
const END: OffsetKind = { timestamp: -1, isolationLevel: READ_UNCOMMITTED }
const STABLE_END: OffsetKind = { timestamp: -1, isolationLevel: READ_COMMITTED }

/** The request ListOffsets, which the types of kafkajs leave out. */
interface OffsetsBroker extends Broker {
  listOffsets(request: {
    isolationLevel: number
    topics: { topic: string; partitions: { partition: number; timestamp: number }[] }[]
  }): Promise<{ responses: { partitions: { partition: number; offset: string }[] }[] }>
}

/** kafkajs gives its connections to the brokers only to the partition assigner of a consumer. This consumer never joins a group. */
function clusterOf(kafka: Kafka): Cluster {
  let found: Cluster | undefined
  kafka.consumer({
    groupId: 'none',
    partitionAssigners: [
      ({ cluster }) => {
        found = cluster
        return NO_ASSIGNER
      },
    ],
  })
  if (found === undefined) throw new Error('This version of kafkajs does not create partition assigners with the consumer.')
  return found
}

const NO_ASSIGNER: Assigner = { name: 'none', version: 0, assign: async () => [], protocol: () => ({ name: 'none', metadata: Buffer.alloc(0) }) }

function extentOf(begin: number | undefined, end: number | undefined, stable: number | undefined): PartitionExtent | undefined {
  if (begin === undefined || end === undefined || stable === undefined) return undefined
  return { begin, end, stableEnd: Math.min(stable, end) }
}
