import { CompressionTypes, Kafka, logLevel, type Message } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { partitionOfProject } from '../../../metering/project-partition.ts'
import { HAS_KAFKA, kafkaForTests, type TestKafka } from '../../support/engines/kafka-broker.ts'
import { makeEvent, startKafkaService, totalOf } from '../../support/kafka/kafka-service.ts'

const TOPIC = 'small-batches'
const REQUEST_BYTES_MAX = 60_000

describe.skipIf(!HAS_KAFKA)('the topic accepts less in one request than one batch has for one partition', () => {
  let kafka: TestKafka
  beforeAll(async () => {
    kafka = (await kafkaForTests()) as TestKafka
  })
  afterAll(() => kafka?.stop())

  test('P1 P7: misrouted events are forwarded in requests that the broker accepts, and one that it rejects by itself is kept and stops nothing', async () => {
    const client = new Kafka({ brokers: [kafka.brokers], logLevel: logLevel.NOTHING })
    const admin = client.admin()
    await admin.connect()
    const configEntries = [{ name: 'max.message.bytes', value: String(REQUEST_BYTES_MAX) }]
    await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 2, configEntries }], waitForLeaders: true })
    await admin.disconnect()
    const own = partitionOfProject('misrouted', 2)
    const misrouted = Array.from({ length: 600 }, (_, index) => JSON.stringify(makeEvent('misrouted', `${index}-${'x'.repeat(120)}`)).padEnd(500))
    // The broker accepts it compressed. The copy is not compressed.
    const large = JSON.stringify(makeEvent('misrouted', 'large')).padEnd(REQUEST_BYTES_MAX + 1)
    const messages: Message[] = [...misrouted, large].map((value) => ({ value, partition: 1 - own }))
    const producer = client.producer()
    await producer.connect()
    await producer.send({ topic: TOPIC, compression: CompressionTypes.GZIP, messages })
    await producer.send({ topic: TOPIC, messages: [{ value: JSON.stringify(makeEvent('misrouted', 'own')), partition: own }] })
    await producer.disconnect()

    const service = await startKafkaService(kafka.brokers, TOPIC)
    await service.untilSettled()
    expect(await totalOf(service, 'misrouted')).toBe('601')
    expect(await service.metric('meterline_log_retakes_total')).toBe(0)
    const { body } = await service.client.admin('GET', '/admin/v1/rejected-events?limit=5')
    const [rejected] = body.rejected_events
    expect(body.rejected_events).toHaveLength(1)
    expect(rejected).toMatchObject({ reason: 'refused_by_store', project_id: 'misrouted', event_id: 'large', original: large })
    expect(rejected.id).toMatch(new RegExp(`/${TOPIC}/1/${1 - own}/600$`))
    expect((await service.client.admin('POST', '/admin/v1/logs/audits')).body).toMatchObject({
      differences: [],
      counted: '601',
      passed_on: '600',
      refused: '1',
    })
    await service.stop()
  })
})
