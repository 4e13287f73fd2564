import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { partitionOfProject } from '../../../metering/project-partition.ts'
import { LINKS_MAX } from '../../../service/tracing/record-spans.ts'
import { attributeOf, type CollectedSpan, startTraceCollector, type TraceCollector } from '../../support/clients/trace-collector.ts'
import { HAS_KAFKA, kafkaForTests, type TestKafka } from '../../support/engines/kafka-broker.ts'
import { type KafkaService, makeEvent, startKafkaService, totalOf } from '../../support/kafka/kafka-service.ts'

describe.skipIf(!HAS_KAFKA)('records with a trace context, in a topic of a real broker', () => {
  let kafka: TestKafka
  let collector: TraceCollector
  let service: KafkaService
  beforeAll(async () => {
    kafka = (await kafkaForTests()) as TestKafka
    collector = await startTraceCollector()
    service = await startKafkaService(kafka.brokers, 'traced', { ...collector.variables, KAFKA_PARTITIONS: '2' })
    await service.untilSettled()
  })
  afterAll(async () => {
    await service?.stop()
    await collector?.stop()
    await kafka?.stop()
  })

  const traceparentOf = (traceId: string) => `00-${traceId}-${'5'.repeat(16)}-01`
  const recordOf = (project: string, id: string, traceparent: string) => ({
    key: project,
    value: JSON.stringify(makeEvent(project, id)),
    partition: partitionOfProject(project, 2),
    headers: { traceparent },
  })
  const isLinkedTo = (traceId: string) => (span: CollectedSpan) => span.name === 'count batch' && span.links?.some((link) => link.traceId === traceId) === true
  const statementsOf = ({ spanId }: CollectedSpan) => collector.spans().filter((span) => span.parentSpanId === spanId)

  test('the batch that counts a record is linked to its context, and has its statements', async () => {
    await service.produce([recordOf('record', 'one', traceparentOf('a'.repeat(32)))])
    const batch = await collector.until(isLinkedTo('a'.repeat(32)))
    expect([batch.parentSpanId, attributeOf(batch, 'messaging.system'), attributeOf(batch, 'meterline.events')]).toEqual([undefined, 'kafka', '1'])
    await collector.until((span) => span.parentSpanId === batch.spanId && span.name === 'insert usage_events_inbox_v1')
    expect(new Set(statementsOf(batch).map(({ traceId }) => traceId))).toEqual(new Set([batch.traceId]))
  })

  test('an event over HTTP carries the context of its request through the topic to the batch that counts it', async () => {
    const headers = { authorization: `Bearer ${service.client.ingestKey}`, 'content-type': 'application/json', traceparent: traceparentOf('b'.repeat(32)) }
    const body = JSON.stringify([makeEvent('http', 'one'), makeEvent('http', 'two')])
    expect((await service.client.call('POST', '/v1/events', { headers, body })).status).toBe(202)
    const batch = await collector.until(isLinkedTo('b'.repeat(32)))
    const request = await collector.until(({ name, traceId }) => name === 'POST /v1/events' && traceId === 'b'.repeat(32))
    expect(batch.links).toEqual([expect.objectContaining({ traceId: 'b'.repeat(32), spanId: request.spanId })])
  })

  test('a misrouted record is linked from the batch that counts its copy too', async () => {
    const record = recordOf('elsewhere', 'one', traceparentOf('c'.repeat(32)))
    await service.produce([{ ...record, partition: 1 - record.partition }])
    const isCounting = (span: CollectedSpan) => statementsOf(span).some(({ name }) => name === 'insert usage_events_inbox_v1')
    const counting = await collector.until((span) => isLinkedTo('c'.repeat(32))(span) && isCounting(span))
    expect(attributeOf(counting, 'meterline.log')).toMatch(new RegExp(`/${record.partition}$`))
  })

  test('a batch has a bounded number of links, and contexts that are none change nothing', async () => {
    const ids = Array.from({ length: LINKS_MAX * 2 }, (_, index) => index)
    const good = ids.map((id) => recordOf('many', `e-${id}`, traceparentOf(id.toString(16).padStart(32, 'd'))))
    const broken = ['', 'x'.repeat(100_000), `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`].map((text, index) => recordOf('many', `broken-${index}`, text))
    await service.produce([...broken, ...good])
    await collector.until(isLinkedTo(ids[0]?.toString(16).padStart(32, 'd') ?? ''))
    await service.untilSettled()
    expect(await totalOf(service, 'many')).toBe(String(good.length + broken.length))
    const linked = collector.spans().map(({ links = [] }) => links.length)
    expect(Math.max(...linked)).toBe(LINKS_MAX)
  })
})
