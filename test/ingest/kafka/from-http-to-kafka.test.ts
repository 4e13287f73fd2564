import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HTTP_LOG } from '../../../ingest/http/http-log.ts'
import { publishWatermark } from '../../../ingest/log/watermark.ts'
import { acquireLease } from '../../../sql/lease.ts'
import { HAS_KAFKA, kafkaForTests, type TestKafka } from '../../support/engines/kafka-broker.ts'
import { makeEvent, startKafkaService, totalOf } from '../../support/kafka/kafka-service.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { startTestService } from '../../support/worlds/test-service.ts'

describe.skipIf(!HAS_KAFKA)('from the http log to Kafka', () => {
  let kafka: TestKafka
  const directory = makeTemporaryDirectory()
  beforeAll(async () => {
    kafka = (await kafkaForTests()) as TestKafka
  })
  afterAll(async () => {
    await kafka?.stop()
    directory.remove()
  })

  test('P2: a store with an http log can continue with a topic: counted events stay, copies are duplicates, and answers are complete again', async () => {
    const before = await startTestService({ DATA_DIR: directory.path })
    await before.client.createIngestKey()
    await before.client.send([makeEvent('moved', 'a'), makeEvent('moved', 'b')])
    // As if its owner had died without releasing the log.
    const outcome = await acquireLease(before.service.clickhouse, HTTP_LOG)
    if (outcome.status !== 'acquired') throw new Error(outcome.status)
    await publishWatermark(before.service.clickhouse.control, outcome.lease, { asOfMs: 1_000, settledThrough: 1, released: false, number: 1 })
    await before.stop()

    const after = await startKafkaService(kafka.brokers, 'moved', { DATA_DIR: directory.path })
    await after.untilSettled()
    expect((await after.client.send([makeEvent('moved', 'b'), makeEvent('moved', 'c')])).status).toBe(202)
    await after.untilSettled()
    expect(await totalOf(after, 'moved')).toBe('3')
    expect(await after.metric('meterline_events_duplicate_total')).toBe(1)
    await after.stop()
  })
})
