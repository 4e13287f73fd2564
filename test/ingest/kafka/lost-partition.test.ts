import { type Admin, Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { partitionOfProject } from '../../../metering/project-partition.ts'
import { HAS_KAFKA_NODES, type KafkaNode, startTwoKafkaNodes } from '../../support/engines/kafka-broker.ts'
import { type KafkaService, makeEvent, startKafkaService, totalOf } from '../../support/kafka/kafka-service.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { untilSo } from '../../support/until-so.ts'

const TOPIC = 'lost-partition'
/** The node of each partition: the one that stays for the first two, of which the second gets a copy on the other node, which is killed. */
const ASSIGNMENT = [[1], [1], [2]]
const [STAYS, SHRINKS, GOES] = ASSIGNMENT.map((_, partition) => projectOf(partition)) as [string, string, string]

function projectOf(partition: number): string {
  for (let number = 0; ; number += 1) if (partitionOfProject(`p${number}`, ASSIGNMENT.length) === partition) return `p${number}`
}

describe.skipIf(!HAS_KAFKA_NODES)('P1: a partition that has lost its leader or an in-sync replica', () => {
  const directory = makeTemporaryDirectory()
  let nodes: [KafkaNode, KafkaNode]
  let service: KafkaService
  beforeAll(async () => {
    nodes = await startTwoKafkaNodes()
    const replicaAssignment = ASSIGNMENT.map((replicas, partition) => ({ partition, replicas }))
    const configEntries = [{ name: 'min.insync.replicas', value: '2' }]
    await administer((admin) => admin.createTopics({ topics: [{ topic: TOPIC, replicaAssignment, configEntries }], waitForLeaders: true }))
    // A topic is created with as many copies of each partition.
    const partitionAssignment = [{ partition: 1, replicas: [1, 2] }]
    await administer((admin) => admin.alterPartitionReassignments({ topics: [{ topic: TOPIC, partitionAssignment }] }))
    await untilSo(async () => (await describePartition(TOPIC, 1))?.isr.length === 2)
    service = await startKafkaService(nodes[0].address, TOPIC, { DATA_DIR: directory.path })
    await service.untilSettled()
    await service.client.send([STAYS, SHRINKS, GOES].map((project) => makeEvent(project, 'before')))
    await nodes[1].kill()
    await untilLeader(TOPIC, 2, -1)
  })
  afterAll(async () => {
    await service?.stop()
    for (const node of nodes ?? []) await node.stop()
    directory.remove()
  })

  async function administer<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = new Kafka({ brokers: [nodes[0].address], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    return work(admin).finally(() => admin.disconnect())
  }

  async function describePartition(topic: string, partition: number) {
    const { topics } = await administer((admin) => admin.fetchTopicMetadata({ topics: [topic] }))
    return topics[0]?.partitions.find(({ partitionId }) => partitionId === partition)
  }

  /** Waits until the controller has noticed who leads the partition now, -1 if nobody does. */
  async function untilLeader(topic: string, partition: number, leader: number): Promise<void> {
    await untilSo(async () => (await describePartition(topic, partition))?.leader === leader)
  }

  test('events over HTTP for it get 503, and those for other partitions are accepted and counted meanwhile', async () => {
    const failing = [SHRINKS, GOES].map((project) => service.client.send([makeEvent(project, 'during'), makeEvent(STAYS, `with-${project}`)]))
    // Answered before the others, which kafkajs retries for seconds.
    expect((await service.client.send([makeEvent(STAYS, 'during')])).status).toBe(202)
    expect((await Promise.all(failing)).map(({ status }) => status)).toEqual([503, 503])
    expect((await service.client.send([makeEvent(STAYS, 'after')])).status).toBe(202)
    expect(await service.metric('meterline_kafka_trouble')).toBe(1)
    // What shared a request with a lost event was produced: only its acknowledgement failed.
    await untilSo(async () => (await totalOf(service, STAYS)) === '5')
    expect(await totalOf(service, SHRINKS)).toBe('1')
  })

  test('a process that starts meanwhile counts the other partitions and produces to them, and as_of waits for the lost one', async () => {
    await service.stop()
    const stoppedMs = Date.now()
    const { partner } = service
    service = { ...(await startKafkaService(nodes[0].address, TOPIC, { DATA_DIR: directory.path })), partner }
    await untilSo(async () => (await service.client.send([makeEvent(STAYS, 'restarted')])).status === 202)
    await untilSo(async () => (await totalOf(service, STAYS)) === '6')
    const { body } = await service.client.partnershipUsage(service.partner, '2026-01-01', '2026-01-02')
    expect(Date.parse(body.as_of)).toBeLessThan(stoppedMs)
    expect((await service.ready()).message).toContain('/2 is not read')
  })

  test('it is read on when it has a leader again, and what was acknowledged before is counted', async () => {
    await nodes[1].restart()
    await untilSo(async () => (await service.client.send([SHRINKS, GOES].map((project) => makeEvent(project, 'restored')))).status === 202)
    await service.untilSettled()
    expect([await totalOf(service, SHRINKS), await totalOf(service, GOES)]).toEqual(['2', '2'])
    expect(await service.metric('meterline_log_incident')).toBe(0)
  })
})
