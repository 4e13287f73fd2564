import { Kafka } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HAS_KAFKA, kafkaForTests, type TestKafka } from '../../support/kafka/broker.ts'
import { startTestService, type TestService } from '../../support/test-service.ts'
import { untilSo } from '../../support/until-so.ts'

describe.skipIf(!HAS_KAFKA)('from HTTP through Kafka to a bill', () => {
  let kafka: TestKafka
  let started: TestService
  beforeAll(async () => {
    kafka = (await kafkaForTests()) as TestKafka
    started = await startTestService({ KAFKA_BROKERS: kafka.brokers, KAFKA_TOPIC: 'first', LOG_LEVEL: process.env['LOG'] ?? 'silent' })
  })
  afterAll(async () => {
    await started?.stop()
    await kafka?.stop()
  })

  test('what is acknowledged with 202 is counted once, and copies of another producer are duplicates', async () => {
    const { client, service } = started
    const ready = async () => (await fetch(`${service.url}/readyz`)).status === 200
    await untilSo(ready)
    const partner = await client.createPartner('p')
    const key = await client.createIngestKey()
    console.log(partner, key)
    const event = { event_id: 'e1', project_id: 'prj', metric: 'ai_tokens', value: '5', timestamp: '2026-01-02T03:04:05Z' }
    const answer = await client.send([event, { ...event, event_id: 'e2' }, { ...event, event_id: 'e3', value: '-1' }])
    console.log(answer)
    const producer = new Kafka({ brokers: [kafka.brokers] }).producer()
    await producer.connect()
    await producer.send({ topic: 'first', messages: [0, 1, 2, 3].map((partition) => ({ partition, key: 'x', value: JSON.stringify(event) })) })
    await producer.disconnect()
    const metrics = async () => (await fetch(`${service.url}/metrics`)).text()
    await untilSo(async () => /meterline_events_duplicate_total\{[^}]*\} [4-9]/.test(await metrics()))
    console.log(
      (await metrics())
        .split('\n')
        .filter((line) => line.startsWith('meterline'))
        .join('\n'),
    )
    expect(1).toBe(1)
  })
})
