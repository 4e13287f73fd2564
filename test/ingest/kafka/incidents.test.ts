import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { HAS_KAFKA, kafkaForTests, type TestKafka } from '../../support/engines/kafka-broker.ts'
import { type KafkaService, makeEvent, startKafkaService, totalOf } from '../../support/kafka/kafka-service.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { untilSo } from '../../support/until-so.ts'

describe.skipIf(!HAS_KAFKA)('P1 P3: an incident stops the log and skips nothing', () => {
  let kafka: TestKafka
  let stop: () => Promise<void> = async () => {}
  beforeAll(async () => {
    kafka = (await kafkaForTests()) as TestKafka
  })
  // There can be one embedded engine in a process, and so one service.
  afterEach(() => stop())
  afterAll(() => kafka?.stop())

  /** Counts five events of each project, stops the service, lets an accident happen to the topic, and starts the service again. */
  async function afterAnAccident(topic: string, accident: (service: KafkaService) => Promise<void>): Promise<KafkaService> {
    const directory = makeTemporaryDirectory()
    const before = await startKafkaService(kafka.brokers, topic, { DATA_DIR: directory.path })
    await before.untilSettled()
    await before.produce(eventsOf(topic, 5))
    await before.untilSettled()
    await before.stop()
    await accident(before)
    const after = await startKafkaService(kafka.brokers, topic, { DATA_DIR: directory.path })
    stop = async () => {
      await after.stop()
      directory.remove()
    }
    return after
  }

  async function expectIncident(service: KafkaService, kind: string, command: string): Promise<void> {
    await untilSo(async () => (await service.metric('meterline_log_incident')) > 0)
    const { status, message } = await service.ready()
    expect(status).toBe(503)
    expect(message).toContain(command)
    expect(await (await fetch(`${service.service.url}/metrics`)).text()).toMatch(new RegExp(`meterline_log_incident\\{log="[^"]+",kind="${kind}"\\} 1`))
  }

  test('a topic that was created again with other events stops with an incident, and a reset counts the new events', async () => {
    const topic = 'created-again'
    const service = await afterAnAccident(topic, async ({ kafka: client }) => {
      await recreate(client, topic, 4)
      await produceTo(client, topic, eventsOf(topic, 9, 'new'))
    })
    await expectIncident(service, 'topic_created_anew', 'meterline log reset')
    expect(await totalOf(service, projectOf(topic, 0))).toBe('5')
    expect((await service.client.admin('POST', '/admin/v1/logs/all/reset')).body).toMatchObject({ incarnation: '2', starts: ['0', '0', '0', '0'] })
    await service.untilSettled()
    expect(await totalOf(service, projectOf(topic, 0))).toBe('14')
  })

  test('a topic that was created again and is empty stops with an incident, and a reset counts what comes then', async () => {
    const topic = 'created-empty'
    const service = await afterAnAccident(topic, ({ kafka: client }) => recreate(client, topic, 4))
    await expectIncident(service, 'log_end_below_position', 'meterline log reset')
    expect((await service.client.admin('POST', '/admin/v1/logs/all/reset')).status).toBe(200)
    await service.produce(eventsOf(topic, 6))
    await service.untilSettled()
    // Five of the six ids were counted before the accident.
    expect(await totalOf(service, projectOf(topic, 0))).toBe('6')
  })

  test('a partition whose unread events were deleted by retention stops with an incident, and a reset continues with what is left', async () => {
    const topic = 'retention'
    const service = await afterAnAccident(topic, async ({ kafka: client }) => {
      await produceTo(client, topic, eventsOf(topic, 9, 'late'))
      const admin = client.admin()
      await admin.connect()
      const ends = await admin.fetchTopicOffsets(topic)
      const busiest = ends.reduce((most, each) => (Number(each.high) > Number(most.high) ? each : most))
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: busiest.partition, offset: String(Number(busiest.high) - 1) }] })
      await admin.disconnect()
    })
    await expectIncident(service, 'log_begin_above_position', 'meterline log reset')
    const { body } = await service.client.admin('GET', '/admin/v1/logs')
    const stopped = body.logs.find(({ begin }: { begin: string }) => begin !== '0')
    expect((await service.client.admin('POST', `/admin/v1/logs/${encodeURIComponent(stopped.log)}/reset`)).body.incarnation).toBe('2')
    await service.untilSettled()
    expect((await service.client.audit()).body.differences).toEqual([])
  })

  test('a topic with more partitions stops with an incident, and log repartition pins them and counts every project in its own partition', async () => {
    const topic = 'repartition'
    const service = await afterAnAccident(topic, async ({ kafka: client }) => {
      const admin = client.admin()
      await admin.connect()
      await admin.createPartitions({ topicPartitions: [{ topic, count: 6 }] })
      await admin.disconnect()
      await produceTo(client, topic, eventsOf(topic, 8))
    })
    await expectIncident(service, 'partition_count_changed', 'meterline log repartition')
    expect((await service.client.admin('POST', '/admin/v1/logs/nothing/reset')).status).toBe(409)
    expect((await service.client.admin('POST', '/admin/v1/logs/repartition')).body).toMatchObject({ incarnation: '2', partitions: '6' })
    await service.untilSettled()
    for (let project = 0; project < PROJECTS; project += 1) expect(await totalOf(service, projectOf(topic, project))).toBe('8')
    expect((await service.client.admin('POST', '/admin/v1/logs/audits')).body.differences).toEqual([])
    expect((await service.client.admin('POST', '/admin/v1/logs/repartition')).body).toMatchObject({ code: 'LOG_VERB_REFUSED' })
  })
})

const PROJECTS = 10

function projectOf(topic: string, number: number): string {
  return `${topic}-${number}`
}

function eventsOf(topic: string, count: number, prefix = 'e') {
  return Array.from({ length: PROJECTS }, (_, project) =>
    Array.from({ length: count }, (__, index) => {
      const event = makeEvent(projectOf(topic, project), `${prefix}-${index}`)
      return { key: event.project_id, value: JSON.stringify(event) }
    }),
  ).flat()
}

async function recreate(client: KafkaService['kafka'], topic: string, numPartitions: number): Promise<void> {
  const admin = client.admin()
  await admin.connect()
  await admin.deleteTopics({ topics: [topic] })
  await untilSo(async () => !(await admin.listTopics()).includes(topic))
  await admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: false })
  // kafkajs's own wait fails when the broker answers before it knows the new topic.
  await untilSo(async () => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] }).catch(() => ({ topics: [] }))
    return topics[0]?.partitions.length === numPartitions && topics[0].partitions.every(({ leader }) => leader >= 0)
  })
  await admin.disconnect()
}

async function produceTo(client: KafkaService['kafka'], topic: string, messages: ReturnType<typeof eventsOf>): Promise<void> {
  const producer = client.producer()
  await producer.connect()
  await producer.send({ topic, acks: -1, messages })
  await producer.disconnect()
}
