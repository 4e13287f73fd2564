import { Partitioners } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createEmitter } from '../../../emitter/emitter.ts'
import { kafkaTopic } from '../../../emitter/kafka-topic.ts'
import { connectTopic } from '../../../ingest/kafka/kafkajs-topic.ts'
import { openProducedLog } from '../../../ingest/kafka/produced-log.ts'
import { partitionOfProject } from '../../../metering/project-partition.ts'
import { defineQuery } from '../../../sql/query.ts'
import { HAS_KAFKA, kafkaForTests, type TestKafka } from '../../support/engines/kafka-broker.ts'
import { type KafkaService, makeEvent, startKafkaService, totalOf } from '../../support/kafka/kafka-service.ts'
import { HAS_KCAT, produceWithKcat } from '../../support/kafka/kcat.ts'
import { readTopic } from '../../support/kafka/read-topic.ts'
import { untilSo } from '../../support/until-so.ts'
import { submissionOf } from '../../support/worlds/submission.ts'

describe.skipIf(!HAS_KAFKA)('a topic, read from a real broker', () => {
  let kafka: TestKafka
  let service: KafkaService
  beforeAll(async () => {
    kafka = (await kafkaForTests()) as TestKafka
    service = await startKafkaService(kafka.brokers, 'usage')
    await service.untilSettled()
  })
  afterAll(async () => {
    await service?.stop()
    await kafka?.stop()
  })

  test('P1: events that were answered 202 over HTTP are counted once; the answer does not say which are duplicates', async () => {
    const events = [makeEvent('http', 'a'), makeEvent('http', 'b'), makeEvent('http', 'a'), { ...makeEvent('http', 'c'), value: '-1' }]
    const answer = await service.client.send(events)
    expect(answer.status).toBe(202)
    expect(answer.body).toEqual({ accepted: '3', rejected: [expect.objectContaining({ index: '3', event_id: 'c', reason: 'invalid_value' })] })
    await service.untilSettled()
    expect(await totalOf(service, 'http')).toBe('2')
  })

  test('P1: an event from HTTP becomes a record in its project’s partition, with the time at which it was received', async () => {
    const sentMs = Date.now()
    await service.client.send([
      makeEvent('shape', 'old'),
      { ...makeEvent('shape', 'bad'), value: 'x' },
      { ...makeEvent('shape', 'no-project'), project_id: 'no such id!' },
    ])
    const records = await readTopic(kafka.brokers, service.topic)
    const of = (id: string) => records.find(({ value }) => value.includes(`"${id}"`))
    expect(of('old')).toMatchObject({ key: 'shape', partition: partitionOfProject('shape', 4), headers: { ingest_key: expect.stringMatching(/.+/) } })
    expect(JSON.parse(of('old')?.value ?? '')).toEqual(makeEvent('shape', 'old'))
    expect(Number(of('old')?.timestamp)).toBeGreaterThanOrEqual(sentMs)
    expect(Number(of('old')?.headers['received_ms'])).toBeGreaterThanOrEqual(sentMs)
    expect(of('bad')).toMatchObject({ key: 'shape', headers: { refused: 'invalid_value' } })
    expect(of('no-project')).toMatchObject({ partition: 0, headers: { refused: 'invalid_event' } })
  })

  test('P1 P2: the emitter produces to the topic: each event in its project’s partition, counted once', async () => {
    const producer = service.kafka.producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner })
    await producer.connect()
    const emitter = createEmitter({ kafka: kafkaTopic({ producer, topic: service.topic }) })
    const events = Array.from({ length: 300 }, (_, index) => ({ ...makeEvent('emitted', `e-${index}`), metric: 'ai_tokens' as const }))
    for (const event of [...events, ...events.slice(0, 10)]) emitter.emit(event)
    expect(await emitter.close()).toMatchObject({ delivered: 310, dropped: 0 })
    await producer.disconnect()
    await service.untilSettled()
    expect(await totalOf(service, 'emitted')).toBe('300')
    const partitions = (await readTopic(kafka.brokers, service.topic)).filter(({ key }) => key === 'emitted').map(({ partition }) => partition)
    expect(new Set(partitions)).toEqual(new Set([partitionOfProject('emitted', 4)]))
  })

  test('P1: a request of 10,000 events of one project is accepted although it is larger than a broker accepts in one request', async () => {
    const events = Array.from({ length: 10_000 }, (_, index) => makeEvent('many', `e-${index}-${'x'.repeat(60)}`))
    expect(await service.client.send(events)).toMatchObject({ status: 202, body: { accepted: '10000' } })
    await service.untilSettled()
    expect(await totalOf(service, 'many')).toBe('10000')
  })

  test('P1: a record that the broker rejects is answered by itself, and the events that shared its request are accepted', async () => {
    const topic = 'small-records'
    const admin = service.kafka.admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries: [{ name: 'max.message.bytes', value: '500' }] }], waitForLeaders: true })
    await admin.disconnect()
    const options = { brokers: [kafka.brokers], topic, group: topic, ssl: false, sasl: undefined, partitions: 1, logger: quiet }
    const connected = await connectTopic(options, new AbortController().signal)
    const log = await openProducedLog({ clickhouse: service.service.clickhouse, topic: connected, logger: quiet })
    const ids = Array.from({ length: 20 }, (_, index) => (index === 7 ? '😀'.repeat(128) : `e${index}`))
    const verdicts = await Promise.all(ids.map((id) => log.submit(submissionOf([makeEvent('p', id), makeEvent('p', `with-${id.slice(0, 8)}`)]))))
    const expected = ids.map((_, index) => [index === 7 ? { status: 'rejected', rejection: { reason: 'refused_by_store' } } : PRODUCED, PRODUCED])
    expect(verdicts).toMatchObject(expected)
    await log.stop()
    await connected.close()
  })

  test('P7: an event that was rejected over HTTP is kept, and its ingest key can list it', async () => {
    await service.client.send([{ ...makeEvent('seen', 'refused'), metric: 'nonsense' }])
    await service.untilSettled()
    const { body } = await service.client.call('GET', '/v1/rejected-events', { headers: { authorization: `Bearer ${service.client.ingestKey}` } })
    expect(body.rejected_events[0]).toMatchObject({ reason: 'unknown_metric', project_id: 'seen', event_id: 'refused' })
    expect(body.rejected_events[0].id).toMatch(/^[\w-]+\/usage\/1\/\d\/\d+$/)
  })

  test('P2: events with the same ids from two producer libraries, in different partitions, count once each', async () => {
    const events = Array.from({ length: 40 }, (_, index) => makeEvent(`lib-${index % 8}`, `e-${index}`))
    await service.produce(events.map((event) => ({ key: event.project_id, value: JSON.stringify(event) })))
    if (HAS_KCAT)
      produceWithKcat(
        { brokers: kafka.brokers, topic: service.topic },
        events.map((event) => ({ key: event.project_id, value: JSON.stringify(event) })),
      )
    // Without a key the records go to the partitions round-robin.
    await service.produce(events.map((event) => ({ value: JSON.stringify(event) })))
    await service.untilSettled()
    expect(await service.metric('meterline_events_passed_on_total')).toBeGreaterThan(0)
    for (let project = 0; project < 8; project += 1) expect(await totalOf(service, `lib-${project}`)).toBe('5')
  })

  for (const codec of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
    test.skipIf(!HAS_KCAT)(`messages that librdkafka has compressed with ${codec} are read`, async () => {
      const events = Array.from({ length: 200 }, (_, index) => makeEvent(`codec-${codec}`, `e-${index}`))
      produceWithKcat(
        { brokers: kafka.brokers, topic: service.topic, codec },
        events.map((event) => ({ key: event.project_id, value: JSON.stringify(event) })),
      )
      await service.untilSettled()
      expect(await totalOf(service, `codec-${codec}`)).toBe('200')
    })
  }

  test('P7: tombstones, empty values, invalid JSON and messages of a megabyte are kept as rejected and do not stop the log', async () => {
    const before = await service.metric('meterline_events_rejected_total')
    await service.produce([
      { key: 'bad', value: null },
      { key: 'bad', value: '' },
      { key: 'bad', value: Buffer.from([0xff, 0xfe, 0x00]) },
      { key: 'bad', value: '[1, 2]' },
      { key: 'bad', value: JSON.stringify({ ...makeEvent('bad', 'huge'), padding: 'x'.repeat(900_000) }) },
      { key: 'bad', value: JSON.stringify(makeEvent('bad', 'good')) },
    ])
    await service.untilSettled()
    expect(await service.metric('meterline_events_rejected_total')).toBe(before + 5)
    expect(await totalOf(service, 'bad')).toBe('1')
    const { body } = await service.client.admin('GET', '/admin/v1/rejected-events?limit=5')
    expect(body.rejected_events.map(({ reason }: { reason: string }) => reason).sort()).toEqual(
      ['invalid_event', 'invalid_json', 'invalid_json', 'invalid_json', 'too_large'].sort(),
    )
  })

  test('P7: a rejected event that is resubmitted becomes a new record and is marked', async () => {
    const timestamp = new Date(Date.now() + 5 * 60_000 + 2_000).toISOString()
    const event = { ...makeEvent('again', 'from-the-future'), timestamp }
    await service.client.send([event])
    await service.untilSettled()
    const latest = async () =>
      (await service.client.admin('GET', '/admin/v1/rejected-events?limit=100')).body.rejected_events as {
        id: string
        event_id: string
        resent_at: string | null
      }[]
    const first = (await latest()).find(({ event_id }) => event_id === event.event_id)
    expect(first?.resent_at).toBeNull()
    // After a moment its timestamp is no longer in the future.
    const resend = async () =>
      (await service.client.admin('POST', '/admin/v1/rejected-events/resend', { ids: [first?.id] })).body.events[0].outcome === 'accepted'
    await untilSo(resend)
    await service.untilSettled()
    expect((await latest()).find(({ id }) => id === first?.id)?.resent_at).not.toBeNull()
    await service.client.registerProject('again', service.partner.partnerId)
    const day = timestamp.slice(0, 10)
    expect((await service.client.projectUsage(service.partner, 'again', day, day)).body.summary.total_ai_tokens).toBe('1')
    const missing = await service.client.admin('POST', '/admin/v1/rejected-events/resend', { ids: ['nowhere/1'] })
    expect(missing.body.events).toEqual([{ id: 'nowhere/1', outcome: 'not_found', reason: null }])
  })

  test('P2: events of aborted transactions are not counted, and the log is complete beyond the gaps that they leave', async () => {
    const producer = service.kafka.producer({ transactionalId: 'gaps', idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    const send = async (events: ReturnType<typeof makeEvent>[], outcome: 'commit' | 'abort') => {
      const transaction = await producer.transaction()
      await transaction.send({ topic: service.topic, messages: events.map((event) => ({ key: event.project_id, value: JSON.stringify(event) })) })
      await transaction[outcome]()
    }
    await send([makeEvent('gaps', 'aborted-1'), makeEvent('gaps', 'aborted-2')], 'abort')
    await send([makeEvent('gaps', 'kept')], 'commit')
    await send([makeEvent('gaps', 'aborted-3')], 'abort')
    await producer.disconnect()
    await service.untilSettled()
    expect(await totalOf(service, 'gaps')).toBe('1')
  })

  test('P3: an audit of the topic finds that it equals raw, and names a row that is missing in raw; a replay counts it again', async () => {
    const audit = async () => (await service.client.admin('POST', '/admin/v1/logs/audits')).body
    await service.produce([{ key: 'audited', value: JSON.stringify(makeEvent('audited', 'lost')) }])
    await service.untilSettled()
    const { control } = service.service.clickhouse
    const countRaw = async () => (await control.query(rawEvents, {}))[0]?.events ?? 0
    const good = await audit()
    expect(good.differences).toEqual([])
    const events = await countRaw()
    expect(Number(good.counted)).toBe(events)
    await control.command(`DELETE FROM raw_usage_events_v1 WHERE project_id = 'audited'`)
    expect(await countRaw()).toBe(events - 1)
    expect((await audit()).differences).toEqual([expect.objectContaining({ project_id: 'audited', event_id: 'lost', problem: 'in the log and not in raw' })])
    // The replay counts what raw lacks and nothing else.
    expect((await service.client.admin('POST', '/admin/v1/replays', { from: 0 })).body.replays).toHaveLength(4)
    await untilSo(async () => (await audit()).differences.length === 0)
    expect(await countRaw()).toBe(events)
  })
})

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const PRODUCED = { status: 'produced' }

const rawEvents = defineQuery({
  name: 'test_raw_events',
  sql: 'SELECT count() AS events FROM raw_usage_events_v1 FINAL',
  params: z.object({}),
  row: z.object({ events: z.coerce.number() }),
})
