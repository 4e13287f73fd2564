import { CompressionTypes, Kafka, logLevel, type Message } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { partitionOfProject } from '../../../metering/project-partition.ts'
import { HAS_KAFKA, kafkaForTests, type TestKafka } from '../../support/engines/kafka-broker.ts'
import { type KafkaService, makeEvent, startKafkaService, totalOf } from '../../support/kafka/kafka-service.ts'
import { HAS_KCAT, produceWithKcat } from '../../support/kafka/kcat.ts'
import { untilSo } from '../../support/until-so.ts'
import { HOSTILE_BODIES } from '../../support/worlds/hostile-bodies.ts'

describe.skipIf(!HAS_KAFKA)('P7: hostile records of a real broker', () => {
  let kafka: TestKafka
  let service: KafkaService
  beforeAll(async () => {
    kafka = (await kafkaForTests()) as TestKafka
    const admin = new Kafka({ brokers: [kafka.brokers], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    // One of the bodies is large when it is compressed, too.
    const configEntries = [{ name: 'max.message.bytes', value: '20000000' }]
    await admin.createTopics({ topics: [{ topic: 'hostile', numPartitions: 4, configEntries }], waitForLeaders: true })
    await admin.disconnect()
    service = await startKafkaService(kafka.brokers, 'hostile')
    await service.untilSettled()
  })
  afterAll(async () => {
    await service?.stop()
    await kafka?.stop()
  })

  /** Produces each list of messages as one batch, compressed with gzip: a broker limits its size when it is compressed. */
  async function produceBatches(...batches: Message[][]): Promise<void> {
    const producer = service.kafka.producer({ allowAutoTopicCreation: false, idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    for (const messages of batches) await producer.send({ topic: service.topic, acks: -1, compression: CompressionTypes.GZIP, messages })
    await producer.disconnect()
  }

  async function listRejected(): Promise<{ event_id: string; reason: string }[]> {
    return (await service.client.admin('GET', '/admin/v1/rejected-events?limit=100')).body.rejected_events
  }

  test('a record of 6 million digits that a codec makes a thousand times smaller is rejected, and the next record counts', async () => {
    const digits = (codec: string) => JSON.stringify(makeEvent('digits', `digits-${codec}`)).replace('"1"', '9'.repeat(6_000_000))
    const codecs = HAS_KCAT ? (['snappy', 'lz4', 'zstd'] as const) : []
    for (const codec of codecs) produceWithKcat({ brokers: kafka.brokers, topic: service.topic, codec }, [{ key: 'digits', value: digits(codec) }])
    const batches = [digits('gzip'), JSON.stringify(makeEvent('digits', 'next'))].map((value) => [{ key: 'digits', value }])
    await produceBatches(...batches)
    await service.untilSettled()
    const rejected = (await listRejected()).map(({ event_id, reason }) => `${event_id} ${reason}`)
    expect([...new Set(rejected)].sort()).toEqual(['gzip', ...codecs].map((codec) => `digits-${codec} too_large`).sort())
    expect(await totalOf(service, 'digits')).toBe('1')
  })

  test('each body that held or crashed a process is rejected as a record, and the next record counts', async () => {
    const before = (await listRejected()).length
    for (const { body } of HOSTILE_BODIES) await produceBatches([{ key: 'bodies', value: body() }])
    await produceBatches([{ key: 'bodies', value: JSON.stringify(makeEvent('bodies', 'next')) }])
    await service.untilSettled()
    // Rows, not a counter: a batch that is written again after a rebalance counts again.
    expect(await listRejected()).toHaveLength(before + HOSTILE_BODIES.length)
    expect(await totalOf(service, 'bodies')).toBe('1')
  })

  test('a batch that unpacks to more than 64 MiB stops its partition only, and after its records are deleted a reset goes on behind it', async () => {
    const [stopped, other] = ['stopped', 'goes-on'].map((name, partition) => ({ name: projectOf(name, partition), partition })) as [Project, Project]
    const event = ({ name, partition }: Project, id: string) => ({ partition, value: JSON.stringify(makeEvent(name, id)) })
    const huge = Array.from({ length: 70 }, () => ({ partition: stopped.partition, value: Buffer.alloc(1024 * 1024) }))
    await produceBatches([event(stopped, 'before')], huge, [event(stopped, 'behind')], [event(other, 'first')])
    await untilSo(async () => (await service.metric('meterline_log_incident')) > 0)
    await produceBatches([event(other, 'second')])
    await untilSo(async () => (await totalOf(service, other.name)) === '2')
    expect(await totalOf(service, stopped.name)).toBe('1')

    const { status, message } = await service.ready()
    expect(status).toBe(503)
    expect(message).toMatch(STOPPED)
    const [, log, first, last] = STOPPED.exec(message) ?? []
    expect([log?.endsWith(`/${stopped.partition}`), Number(last) - Number(first)]).toEqual([true, 69])
    const admin = service.kafka.admin()
    await admin.connect()
    // kafkajs deletes records only of a topic whose metadata it has.
    await admin.fetchTopicOffsets(service.topic)
    await admin.deleteTopicRecords({ topic: service.topic, partitions: [{ partition: stopped.partition, offset: String(Number(last) + 1) }] })
    await admin.disconnect()
    expect((await service.client.admin('POST', `/admin/v1/logs/${encodeURIComponent(log ?? '')}/reset`)).status).toBe(200)
    await service.untilSettled()
    expect(await totalOf(service, stopped.name)).toBe('2')
  })
})

const STOPPED = /The log (\S+) has stopped: a batch of records cannot be read \(offsets (\d+) to (\d+): .* 67108864 bytes.*delete the records/

interface Project {
  readonly name: string
  readonly partition: number
}

function projectOf(name: string, partition: number): string {
  for (let number = 0; ; number += 1) if (partitionOfProject(`${name}-${number}`, 4) === partition) return `${name}-${number}`
}
