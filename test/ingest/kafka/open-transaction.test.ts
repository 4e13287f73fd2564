import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HAS_KAFKA, kafkaForTests, type TestKafka } from '../../support/engines/kafka-broker.ts'
import { type KafkaService, makeEvent, startKafkaService, totalOf } from '../../support/kafka/kafka-service.ts'
import { untilSo } from '../../support/until-so.ts'

describe.skipIf(!HAS_KAFKA)('P1: a transaction that another producer leaves open', () => {
  let kafka: TestKafka
  let service: KafkaService
  beforeAll(async () => {
    kafka = (await kafkaForTests()) as TestKafka
    service = await startKafkaService(kafka.brokers, 'open-transaction')
    await service.untilSettled()
  })
  afterAll(async () => {
    await service?.stop()
    await kafka?.stop()
  })

  const asOfMs = async () => Date.parse((await service.client.partnershipUsage(service.partner, '2026-01-01', '2026-01-02')).body.as_of)

  test('as_of stays below an acknowledged event behind it, which is lag; after the commit the event counts and as_of moves', async () => {
    const producer = service.kafka.producer({ transactionalId: 'left-open', idempotent: true, maxInFlightRequests: 1, transactionTimeout: 300_000 })
    await producer.connect()
    const transaction = await producer.transaction()
    const event = makeEvent('open', 'in-transaction')
    await transaction.send({ topic: service.topic, messages: [{ key: event.project_id, value: JSON.stringify(event) }] })
    expect((await service.client.send([makeEvent('open', 'acknowledged')])).status).toBe(202)
    const acknowledgedMs = Date.now()
    // The heartbeats go on meanwhile, so a watermark that passed the event would be seen.
    await untilSo(async () => (await service.metric('meterline_log_open_transaction_seconds')) > 4)
    expect(await asOfMs()).toBeLessThan(acknowledgedMs)
    expect(await service.metric('meterline_log_lag_events')).toBe(2)
    const { body } = await service.client.admin('GET', '/admin/v1/logs')
    expect(body.logs.reduce((sum: number, { end }: { end: string }) => sum + Number(end), 0)).toBe(2)
    expect((await service.client.admin('POST', '/admin/v1/logs/audits')).body.differences).toEqual([])

    await transaction.commit()
    await producer.disconnect()
    await untilSo(async () => (await asOfMs()) > acknowledgedMs)
    expect(await totalOf(service, 'open')).toBe('2')
    await untilSo(async () => (await service.metric('meterline_log_open_transaction_seconds')) === 0)
  })
  test('of two transactions that overlap and are aborted no event counts, whichever ends first', async () => {
    const begin = async (name: string) => {
      const producer = service.kafka.producer({ transactionalId: name, idempotent: true, maxInFlightRequests: 1 })
      await producer.connect()
      const transaction = await producer.transaction()
      const event = makeEvent('overlapping', name)
      await transaction.send({ topic: service.topic, messages: [{ key: event.project_id, value: JSON.stringify(event) }] })
      return { producer, transaction }
    }
    const [longer, shorter] = [await begin('longer'), await begin('shorter')]
    await shorter.transaction.abort()
    await longer.transaction.abort()
    for (const { producer } of [longer, shorter]) await producer.disconnect()
    const sentMs = Date.now()
    expect((await service.client.send([makeEvent('overlapping', 'counted')])).status).toBe(202)
    await untilSo(async () => (await asOfMs()) > sentMs)
    expect(await totalOf(service, 'overlapping')).toBe('1')
  })
})
