import { type Kafka, Partitioners, type Producer, type ProducerRecord } from 'kafkajs'
import type { Random } from '../support/random.ts'
import type { Acknowledged } from './acknowledged.ts'
import { afterMs } from './clock.ts'
import type { GeneratedRecord, RecordGenerator } from './generate-records.ts'

export interface EmittingOptions {
  readonly generator: RecordGenerator
  readonly random: Random
  readonly acknowledged: Acknowledged
  readonly topic: string
  ending(): boolean
  /** Waits until the next batch is due. */
  nextDue(): Promise<void>
}

export interface EmitKafkajsOptions extends EmittingOptions {
  readonly kafka: Kafka
  readonly partitions: number
  /** How many of 100 records are sent to a random partition. */
  readonly misroutedPercent: number
}

export interface PreloadOptions extends EmittingOptions {
  readonly kafka: Kafka
  readonly events: number
}

const BATCH_RECORDS = 60

/** Produces records keyed by project with murmur2, some to a random partition. Each batch is repeated until it is acknowledged. */
export async function emitWithKafkajs(options: EmitKafkajsOptions): Promise<void> {
  const { kafka, generator, random, acknowledged, topic, partitions, misroutedPercent, ending, nextDue } = options
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, allowAutoTopicCreation: false })
  await untilConnected(producer)
  while (!ending()) {
    const records = generator.records(BATCH_RECORDS)
    const messages = records.map(({ projectId, value }) => ({
      key: random.below(20) === 0 ? null : projectId,
      value,
      ...(random.below(100) < misroutedPercent && { partition: random.below(partitions) }),
    }))
    await untilSent(producer, { topic, acks: -1, messages, compression: random.below(2) }, acknowledged)
    acknowledged.add('kafkajs', records)
    await nextDue()
  }
  await producer.disconnect()
}

export interface ProduceOptions {
  readonly kafka: Kafka
  readonly acknowledged: Acknowledged
  readonly topics: readonly string[]
  readonly records: readonly GeneratedRecord[]
}

/** Produces the same records to several topics. */
export async function produceToTopics({ kafka, acknowledged, topics, records }: ProduceOptions): Promise<void> {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, allowAutoTopicCreation: false })
  await untilConnected(producer)
  const messages = records.map(({ projectId, value }) => ({ key: projectId, value }))
  for (const topic of topics) await untilSent(producer, { topic, acks: -1, messages }, acknowledged)
  await producer.disconnect()
}

export async function untilSent(producer: Producer, record: ProducerRecord, acknowledged: Acknowledged): Promise<void> {
  for (;;) {
    try {
      await producer.send(record)
      return
    } catch {
      acknowledged.countRetry('kafkajs')
      await afterMs(500)
    }
  }
}

/** Produces so many records as fast as it can. */
export async function preloadWithKafkajs({ kafka, generator, acknowledged, topic, events }: PreloadOptions): Promise<void> {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, allowAutoTopicCreation: false })
  await untilConnected(producer)
  for (let left = events; left > 0; left -= PRELOAD_RECORDS) {
    const records = generator.records(Math.min(left, PRELOAD_RECORDS))
    await producer.send({ topic, acks: -1, messages: records.map(({ projectId, value }) => ({ key: projectId, value })) })
    acknowledged.add('preload', records)
  }
  await producer.disconnect()
}

const PRELOAD_RECORDS = 5_000

export async function untilConnected(producer: Producer): Promise<void> {
  for (;;) {
    try {
      return await producer.connect()
    } catch {
      await afterMs(500)
    }
  }
}
