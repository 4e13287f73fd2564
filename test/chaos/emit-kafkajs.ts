import { type Kafka, Partitioners, type Producer } from 'kafkajs'
import type { Random } from '../support/random.ts'
import type { Acknowledged } from './acknowledged.ts'
import { afterMs } from './clock.ts'
import type { RecordMaker } from './made-records.ts'

export interface EmittingOptions {
  readonly maker: RecordMaker
  readonly random: Random
  readonly acknowledged: Acknowledged
  readonly topic: string
  ending(): boolean
}

export interface EmitKafkajsOptions extends EmittingOptions {
  readonly kafka: Kafka
  readonly partitions: number
  /** How many of 100 records go to any partition, keyed or not. */
  readonly foreignPercent: number
}

const BATCH_RECORDS = 60
const EVERY_MS = 150

/** Keyed by project with murmur2, some into any partition; the same batch until it is acknowledged. */
export async function emitWithKafkajs(options: EmitKafkajsOptions): Promise<void> {
  const { kafka, maker, random, acknowledged, topic, partitions, foreignPercent, ending } = options
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, allowAutoTopicCreation: false })
  await untilConnected(producer)
  while (!ending()) {
    const records = maker.records(BATCH_RECORDS)
    const messages = records.map(({ projectId, value }) => ({
      key: random.below(20) === 0 ? null : projectId,
      value,
      ...(random.below(100) < foreignPercent && { partition: random.below(partitions) }),
    }))
    for (;;) {
      try {
        await producer.send({ topic, acks: -1, messages, compression: random.below(2) })
        break
      } catch {
        acknowledged.sentAgain('kafkajs')
        await afterMs(500)
      }
    }
    acknowledged.add('kafkajs', records)
    await afterMs(EVERY_MS)
  }
  await producer.disconnect()
}

async function untilConnected(producer: Producer): Promise<void> {
  for (;;) {
    try {
      return await producer.connect()
    } catch {
      await afterMs(500)
    }
  }
}
