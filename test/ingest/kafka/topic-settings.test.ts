import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectTopic } from '../../../ingest/kafka/kafkajs-topic.ts'
import { HAS_KAFKA, kafkaForTests, type TestKafka } from '../../support/engines/kafka-broker.ts'
import { readTopic } from '../../support/kafka/read-topic.ts'

describe.skipIf(!HAS_KAFKA)('P1: settings of the topic', () => {
  let kafka: TestKafka
  beforeAll(async () => {
    kafka = (await kafkaForTests()) as TestKafka
  })
  afterAll(() => kafka?.stop())

  /** Connects to the topic; returns what is logged, and how many partitions the topic has then. */
  async function connect(topic: string) {
    const logged: string[] = []
    const log = (_: object, message: string) => logged.push(message)
    const logger = { info: log, warn: log, error: log }
    const options = { brokers: [kafka.brokers], topic, group: 'settings', ssl: false, sasl: undefined, partitions: 3, logger }
    const connected = await connectTopic(options, new AbortController().signal)
    const partitions = (await connected.extents()).length
    await connected.close()
    return { logged: logged.join('\n'), partitions }
  }

  test('a missing topic is created with the configured number of partitions, and that is logged', async () => {
    const { logged, partitions } = await connect('missing')
    expect(partitions).toBe(3)
    expect(logged).toContain('the topic missing did not exist and was created with 3 partitions')
    expect(logged).not.toContain('message.timestamp.type')
  })

  test('P6: in a topic that was created, the timestamp of a record is that of the broker, whatever its producer says', async () => {
    await connect('judged')
    const client = new Kafka({ brokers: [kafka.brokers], logLevel: logLevel.NOTHING })
    const producer = client.producer()
    await producer.connect()
    const sentMs = Date.now()
    await producer.send({ topic: 'judged', messages: [{ value: 'x', timestamp: String(sentMs + 50 * 60_000) }] })
    const [{ timestamp } = { timestamp: '' }] = await readTopic(kafka.brokers, 'judged')
    await producer.disconnect()
    expect(Math.abs(Number(timestamp) - sentMs)).toBeLessThan(60_000)
  })

  test('short retention, a single in-sync replica, compaction, unclean elections and small messages are warned of at the start', async () => {
    const admin = new Kafka({ brokers: [kafka.brokers], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    const configEntries = [
      { name: 'retention.ms', value: String(6 * 86_400_000) },
      { name: 'cleanup.policy', value: 'compact' },
      { name: 'unclean.leader.election.enable', value: 'true' },
      { name: 'max.message.bytes', value: '100000' },
    ]
    await admin.createTopics({ topics: [{ topic: 'risky', numPartitions: 1, configEntries }], waitForLeaders: true })
    await admin.disconnect()
    const { logged, partitions } = await connect('risky')
    expect(partitions).toBe(1)
    expect(logged).toContain('less than 7 days')
    expect(logged).toContain('min.insync.replicas is below 2')
    expect(logged).toContain('cleanup.policy compacts the topic')
    expect(logged).toContain('unclean.leader.election.enable is true')
    expect(logged).toContain('max.message.bytes is below 131072')
    expect(logged).toContain('message.timestamp.type is CreateTime')
  })

  test('brokers that do not answer are logged and retried, until a stop is requested', async () => {
    const stopping = new AbortController()
    const logged: string[] = []
    const logger = {
      info: () => {},
      error: () => {},
      warn: (_: object, message: string) => {
        logged.push(message)
        if (logged.length === 2) stopping.abort()
      },
    }
    const options = { brokers: ['127.0.0.1:1'], topic: 't', group: 'g', ssl: false, sasl: undefined, partitions: 3, logger }
    await expect(connectTopic(options, stopping.signal)).rejects.toThrow()
    expect(logged[0]).toMatch(/Kafka cannot be used yet: .*Trying again/)
  })
})
