import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HAS_KAFKA, kafkaForTests, type TestKafka } from '../../support/engines/kafka-broker.ts'
import { makeEvent, startKafkaService, totalOf } from '../../support/kafka/kafka-service.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { untilSo } from '../../support/until-so.ts'
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

  test('P2: a store with an http log continues with a topic after the switch: counted events stay, copies are duplicates, and it can go back', async () => {
    const before = await startTestService({ DATA_DIR: directory.path })
    await before.client.createIngestKey()
    await before.client.send([makeEvent('moved', 'a'), makeEvent('moved', 'b')])
    await before.stop()

    const after = await startKafkaService(kafka.brokers, 'moved', { DATA_DIR: directory.path })
    await untilSo(async () => (await after.ready()).message.includes('meterline log source use'))
    expect(await after.client.send([makeEvent('moved', 'c')])).toMatchObject({
      status: 503,
      body: { message: expect.stringContaining('meterline log source use') },
    })
    expect((await after.client.admin('GET', '/admin/v1/logs/source')).body).toMatchObject({ source: 'http', in_force: true, logs: [{ log: 'http' }] })
    const switched = (await after.client.admin('POST', '/admin/v1/logs/source', {})).body
    expect(switched).toMatchObject({ source: switched.configured, in_force: true, left: { source: 'http', logs: [{ settled_through: '1' }] } })
    await after.untilSettled()
    expect((await after.client.send([makeEvent('moved', 'b'), makeEvent('moved', 'c')])).status).toBe(202)
    await after.untilSettled()
    expect(await totalOf(after, 'moved')).toBe('3')
    expect(await after.metric('meterline_events_duplicate_total')).toBe(1)
    await after.stop()

    const back = await startTestService({ DATA_DIR: directory.path })
    await back.client.createIngestKey()
    expect((await back.client.send([makeEvent('moved', 'c')])).status).toBe(503)
    expect(await back.client.admin('POST', '/admin/v1/logs/source', {})).toMatchObject({
      status: 409,
      body: { code: 'LOG_VERB_REFUSED', message: expect.stringMatching(/\/moved\/1\/0 through offset .*--leave-unread/) },
    })
    expect((await back.client.admin('POST', '/admin/v1/logs/source', { leave_unread: true })).body).toMatchObject({ source: 'http', in_force: true })
    await untilSo(async () => (await back.client.send([makeEvent('moved', 'c')])).status === 200)
    await back.stop()
  })
})
