import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectTopic } from '../../../ingest/kafka/kafkajs-topic.ts'
import { HAS_KAFKA, kafkaForTests, type TestKafka } from '../../support/engines/kafka-broker.ts'

describe.skipIf(!HAS_KAFKA)('P1: settings of the topic', () => {
  let kafka: TestKafka
  beforeAll(async () => {
    kafka = (await kafkaForTests()) as TestKafka
  })
  afterAll(() => kafka?.stop())

  /** What connecting says, and how many partitions the topic has then. */
  async function connect(topic: string) {
    const said: string[] = []
    const say = (_: object, message: string) => said.push(message)
    const logger = { info: say, warn: say, error: say }
    const options = { brokers: [kafka.brokers], topic, group: 'settings', ssl: false, sasl: undefined, partitions: 3, logger }
    const connected = await connectTopic(options, new AbortController().signal)
    const partitions = (await connected.extents()).length
    await connected.close()
    return { said: said.join('\n'), partitions }
  }

  test('a topic that is missing is created with the stated number of partitions, and that is said', async () => {
    const { said, partitions } = await connect('missing')
    expect(partitions).toBe(3)
    expect(said).toContain('the topic missing was missing and is created with 3 partitions')
  })

  test('short retention, one copy, and compaction are warned of at the start', async () => {
    const admin = new Kafka({ brokers: [kafka.brokers], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    const configEntries = [
      { name: 'retention.ms', value: String(6 * 86_400_000) },
      { name: 'cleanup.policy', value: 'compact' },
    ]
    await admin.createTopics({ topics: [{ topic: 'risky', numPartitions: 1, configEntries }], waitForLeaders: true })
    await admin.disconnect()
    const { said, partitions } = await connect('risky')
    expect(partitions).toBe(1)
    expect(said).toContain('less than 7 days')
    expect(said).toContain('min.insync.replicas is below 2')
    expect(said).toContain('cleanup.policy compacts the topic')
  })

  test('brokers that do not answer are told, tried again, and given up when asked to stop', async () => {
    const stopping = new AbortController()
    const said: string[] = []
    const logger = {
      info: () => {},
      error: () => {},
      warn: (_: object, message: string) => {
        said.push(message)
        if (said.length === 2) stopping.abort()
      },
    }
    const options = { brokers: ['127.0.0.1:1'], topic: 't', group: 'g', ssl: false, sasl: undefined, partitions: 3, logger }
    await expect(connectTopic(options, stopping.signal)).rejects.toThrow()
    expect(said[0]).toMatch(/Kafka cannot be used yet: .*Trying again/)
  })
})
