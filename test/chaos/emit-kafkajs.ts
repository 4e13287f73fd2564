import { type Kafka, Partitioners, type Producer } from 'kafkajs'
import type { Random } from '../support/random.ts'
import type { Acknowledged } from './acknowledged.ts'
import { afterMs } from './clock.ts'
import type { RecordGenerator } from './generate-records.ts'

export interface EmittingOptions {
  readonly generator: RecordGenerator
  readonly random: Random
  readonly acknowledged: Acknowledged
  readonly topic: string
  ending(): boolean
}

export interface EmitKafkajsOptions extends EmittingOptions {
  readonly kafka: Kafka
  readonly partitions: number
  /** How many of 100 records are sent to a random partition. */
  readonly misroutedPercent: number
}

const BATCH_RECORDS = 60
const EVERY_MS = 150

/** Produces records keyed by project with murmur2, some to a random partition. Each batch is repeated until it is acknowledged. */
export async function emitWithKafkajs(options: EmitKafkajsOptions): Promise<void> {
  const { kafka, generator, random, acknowledged, topic, partitions, misroutedPercent, ending } = options
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, allowAutoTopicCreation: false })
  await untilConnected(producer)
  while (!ending()) {
    const records = generator.records(BATCH_RECORDS)
    const messages = records.map(({ projectId, value }) => ({
      key: random.below(20) === 0 ? null : projectId,
      value,
      ...(random.below(100) < misroutedPercent && { partition: random.below(partitions) }),
    }))
    for (;;) {
      try {
        await producer.send({ topic, acks: -1, messages, compression: random.below(2) })
        break
      } catch {
        acknowledged.countRetry('kafkajs')
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
