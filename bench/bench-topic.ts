import { fileURLToPath } from 'node:url'
import kafkajs from 'kafkajs'
import type { Closers } from '../service/closers.ts'
import { kafkaForTests } from '../test/support/engines/kafka-broker.ts'
import type { FillTask } from './fill-topic-main.ts'
import { runForked } from './forked-task.ts'

/** Of a topic, unless a measurement needs another number. */
const PARTITIONS = 4

export interface BenchTopic {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly partitions: number
  /** Produces events by their numbers, from 0 on by default. The same number again is a duplicate. */
  fill(events: number, from?: Pick<FillTask, 'first' | 'eventsPerDay'>): Promise<void>
}

/** The variables of a process that counts the topic; its threads are for the statements of its logs at the same time, and Node's other work. */
export function variablesOf({ brokers, topic, partitions }: BenchTopic): Record<string, string> {
  return { KAFKA_BROKERS: brokers.join(','), KAFKA_TOPIC: topic, KAFKA_PARTITIONS: String(partitions), UV_THREADPOOL_SIZE: '16' }
}

/** Creates a topic on the broker at KAFKA_BROKERS, or on one that is started for the measurement. The topic is deleted at the end. */
export async function openBenchTopic(closers: Closers, partitions = PARTITIONS): Promise<BenchTopic> {
  const kafka = await kafkaForTests()
  if (kafka === undefined) throw new Error('This measurement needs a Kafka broker: set KAFKA_BROKERS, or install Docker, or Java 17 with Maven.')
  closers.add(() => kafka.stop())
  const brokers = kafka.brokers.split(',')
  const topic = `bench-${process.pid}-${Date.now()}`
  const admin = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.ERROR }).admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: partitions }], waitForLeaders: true })
  closers.add(async () => {
    await admin.deleteTopics({ topics: [topic] })
    await admin.disconnect()
  })
  return {
    brokers,
    topic,
    partitions,
    fill: async (events, from = { first: 0 }) => {
      await runForked<FillTask, object>(FILL_MAIN, { brokers, topic, events, ...from }, closers)
    },
  }
}

const FILL_MAIN = fileURLToPath(new URL('./fill-topic-main.ts', import.meta.url))
