import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { partitionOfProject } from '../../../metering/project-partition.ts'
import { type ClickHouseCluster, startClickHouseCluster } from '../../support/engines/clickhouse-cluster.ts'
import { HAS_KAFKA, kafkaForTests, type TestKafka } from '../../support/engines/kafka-broker.ts'
import { type Billing, eventsOf, eventsPerServer, PROJECTS, startBilling } from '../../support/worlds/two-stores.ts'

/** Two services count the same topic: one into three servers, the other one into one. */
describe.skipIf(!HAS_KAFKA)('a store of three shards', () => {
  let kafka: TestKafka
  let cluster: ClickHouseCluster
  let sharded: Billing
  let whole: Billing
  const TOPIC = 'shared'
  const PARTITIONS = 6
  const SHARDS = 3
  const CORRECTIONS = [1, 7, 8, 15].map((number) => ({
    event_id: `void-${number}`,
    project_id: PROJECTS[number % PROJECTS.length] ?? '',
    corrects: `http-${number}`,
    action: 'void',
    reason: 'a test',
  }))

  beforeAll(async () => {
    kafka = (await kafkaForTests()) as TestKafka
    cluster = await startClickHouseCluster(SHARDS)
    const ofTopic = { KAFKA_BROKERS: kafka.brokers, KAFKA_TOPIC: TOPIC, KAFKA_PARTITIONS: String(PARTITIONS) }
    sharded = await startBilling({ ...ofTopic, KAFKA_GROUP: 'sharded', CLICKHOUSE_URLS: cluster.urls.join(',') })
    const single = (cluster.urls[0] ?? '').replace('/meterline', '/single')
    whole = await startBilling({ ...ofTopic, KAFKA_GROUP: 'whole', CLICKHOUSE_URL: single })

    // Over HTTP, with copies and a conflict; a correction; and directly to the topic, some of it to a foreign partition.
    expect((await sharded.client.send(eventsOf('http', 0, 400))).status).toBe(202)
    expect((await sharded.client.send(eventsOf('http', 350, 100))).status).toBe(202)
    const [first] = eventsOf('http', 0, 1)
    expect((await sharded.client.send([{ ...first, value: '77' }])).status).toBe(202)
    expect((await sharded.client.send(CORRECTIONS)).status).toBe(202)
    const producer = new Kafka({ brokers: [kafka.brokers], logLevel: logLevel.NOTHING }).producer({ allowAutoTopicCreation: false })
    await producer.connect()
    const messages = eventsOf('topic', 0, 300).map((event, index) => ({
      value: JSON.stringify(event),
      ...(index % 3 === 0 ? { partition: (index / 3) % PARTITIONS } : { key: event.project_id }),
    }))
    await producer.send({ topic: TOPIC, acks: -1, messages: [...messages, { key: 'broken', value: '{"broken' }] })
    await producer.disconnect()
    // Twice: misrouted events are forwarded by both services, and the copies come last.
    for (const billing of [sharded, whole, sharded, whole]) await billing.untilComplete()
  }, 240_000)
  afterAll(async () => {
    await sharded?.stop()
    await whole?.stop()
    await cluster?.stop()
    await kafka?.stop()
  })

  /** The same call to both services has the same text. */
  const expectSame = async (call: (billing: Billing) => ReturnType<Billing['client']['call']>) => {
    const [ofShards, ofWhole] = [await sharded.text(() => call(sharded)), await whole.text(() => call(whole))]
    expect(ofShards).toBe(ofWhole)
    return ofShards
  }

  test('P2: each event and correction is on the server of its project, and all have some', async () => {
    const sent = [...eventsOf('http', 0, 450), ...CORRECTIONS, ...eventsOf('topic', 0, 300)]
    const shards = sent.map(({ project_id }) => partitionOfProject(project_id, SHARDS))
    const expected = Array.from({ length: SHARDS }, (_, shard) => shards.filter((each) => each === shard).length)
    expect(Math.min(...expected)).toBeGreaterThan(0)
    expect(await eventsPerServer(cluster.urls)).toEqual(expected)
    expect(await eventsPerServer([(cluster.urls[0] ?? '').replace('/meterline', '/single')])).toEqual([sent.length])
  })

  test('P3: usage of projects and of the partnership is byte for byte that of one server', async () => {
    for (const project of PROJECTS) {
      const text = await expectSame(({ client, partner }) => client.projectUsage(partner, project, '2026-01-01', '2026-02-28'))
      expect(text).toContain('200 {')
    }
    const days = await expectSame(({ client, partner }) => client.partner(partner, 'GET', '/usage?start_date=2026-01-01&end_date=2026-02-28&include=daily'))
    expect(days).toContain('daily_usage')
    await expectSame(({ client, partner }) => client.partner(partner, 'GET', '/projects?start_date=2026-01-01&end_date=2026-02-28&limit=100'))
  })

  test('P3 P7: explanations, rejected events and the audits are those of one server', async () => {
    await expectSame(({ client }) =>
      client.admin('GET', `/admin/v1/explain?project_id=${PROJECTS[0]}&metric=ai_tokens&start_date=2026-01-01&end_date=2026-02-28`),
    )
    for (const { client, settled } of [sharded, whole]) {
      const { status, body } = await settled(() => client.audit())
      expect([status, body.differences, body.partnership_differences]).toEqual([200, [], []])
      expect((await settled(() => client.admin('POST', '/admin/v1/logs/audits'))).body.differences).toEqual([])
    }
    const reasons = async ({ client, settled }: Billing) => {
      const { body } = await settled(() => client.admin('GET', '/admin/v1/rejected-events?limit=100'))
      return body.rejected_events.map((each: { reason: string; event_id: string }) => `${each.reason} ${each.event_id}`).sort()
    }
    expect(await reasons(sharded)).toEqual(await reasons(whole))
  })

  test('P4: a closed month, its exports and its adjustments are byte for byte those of one server', async () => {
    for (const { client, partner, settled } of [sharded, whole]) {
      await settled(() => client.billFrom(partner.partnerId, '2026-01'))
      expect((await settled(() => client.closeMonth(partner.partnerId, '2026-01'))).status).toBeLessThan(300)
    }
    const statement = await expectSame(({ client, partner }) => client.statement(partner, '2026-01'))
    expect(statement).toContain('"ai_tokens"')
    for (const format of ['csv', 'ndjson', 'focus-csv'])
      await expectSame(({ client, partner }) => client.partner(partner, 'GET', `/statements/2026-01/export?format=${format}`))
    // Late usage of the closed month.
    expect((await sharded.client.send(eventsOf('late', 0, 40))).status).toBe(202)
    for (const billing of [sharded, whole]) await billing.untilComplete()
    await expectSame(({ client, partner }) => client.statement(partner, '2026-01'))
    for (const { client, partner, settled } of [sharded, whole])
      expect((await settled(() => client.closeMonth(partner.partnerId, '2026-02'))).status).toBeLessThan(300)
    const next = await expectSame(({ client, partner }) => client.statement(partner, '2026-02'))
    expect(next).toContain('"for_month":"2026-01"')
  })
})
