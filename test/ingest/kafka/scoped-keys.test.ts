import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credentials, TestEvent } from '../../support/clients/client.ts'
import { HAS_KAFKA, kafkaForTests, type TestKafka } from '../../support/engines/kafka-broker.ts'
import { type KafkaService, makeEvent, startKafkaService } from '../../support/kafka/kafka-service.ts'

interface StoredRejection {
  readonly id: string
  readonly reason: string
  readonly project_id: string
  readonly event_id: string
}

describe.skipIf(!HAS_KAFKA)('a scoped ingest key with Kafka', () => {
  let kafka: TestKafka
  let service: KafkaService
  let other: Credentials
  let key: string
  beforeAll(async () => {
    kafka = (await kafkaForTests()) as TestKafka
    service = await startKafkaService(kafka.brokers, 'scoped')
    const { client, partner } = service
    other = await client.createPartner('Other')
    await client.registerProject('own', partner.partnerId)
    await client.registerProject('foreign', other.partnerId)
    key = (await client.admin('POST', '/admin/v1/ingest-keys', { name: 'scoped', partner_ids: [partner.partnerId] })).body.key
    await service.untilSettled()
  })
  afterAll(async () => {
    await service?.stop()
    await kafka?.stop()
  })

  const callWith = (method: string, path: string, body?: string) => {
    const headers = { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
    return service.client.call(method, path, { headers, ...(body === undefined ? {} : { body }) })
  }
  const send = (...events: TestEvent[]) => callWith('POST', '/v1/events', JSON.stringify(events))
  const tokensOf = async (partner: Credentials, projectId: string) =>
    (await service.client.projectUsage(partner, projectId, '2026-01-01', '2026-01-31')).body.summary?.total_ai_tokens
  const rejections = async (): Promise<StoredRejection[]> => (await callWith('GET', '/v1/rejected-events')).body.rejected_events

  test('P5: events of the key’s own projects count; all others are rejected in the 202, stored as rejected, and not billed to any partner', async () => {
    const answer = await send(makeEvent('own', 'a'), makeEvent('foreign', 'b'), makeEvent('nobody', 'c'), makeEvent('own', 'd'))
    const rejection = { reason: 'project_not_allowed', message: expect.any(String) }
    expect([answer.status, answer.body]).toEqual([
      202,
      {
        accepted: '2',
        rejected: [
          { index: '1', event_id: 'b', ...rejection },
          { index: '2', event_id: 'c', ...rejection },
        ],
      },
    ])
    await service.untilSettled()
    expect([await tokensOf(service.partner, 'own'), await tokensOf(other, 'foreign')]).toEqual(['2', '0'])
    const expected = [
      { reason: 'project_not_allowed', project_id: 'foreign', event_id: 'b' },
      { reason: 'project_not_allowed', project_id: 'nobody', event_id: 'c' },
    ]
    const byEvent = (events: StoredRejection[]) => events.toSorted((one, two) => (one.event_id < two.event_id ? -1 : 1))
    expect(byEvent(await rejections())).toMatchObject(expected)
    expect(byEvent((await service.client.admin('GET', '/admin/v1/rejected-events')).body.rejected_events)).toMatchObject(expected)
    // The rejected events did not use up their identities: a key of all projects can send them.
    await service.client.send([makeEvent('foreign', 'b', '5')])
    await service.untilSettled()
    expect(await tokensOf(other, 'foreign')).toBe('5')
  })

  test('P2, P7: a rejected event whose project was registered since can be resubmitted and counts once', async () => {
    await send(makeEvent('later', 'by-hand', '7'), makeEvent('later', 'by-emitter', '2'), makeEvent('never', 'by-hand'))
    await service.untilSettled()
    const idOf = async (project: string, event: string) => (await rejections()).find((each) => each.project_id === project && each.event_id === event)?.id
    const ids = [await idOf('later', 'by-hand'), await idOf('never', 'by-hand')]
    await service.client.registerProject('later', service.partner.partnerId)
    expect(await tokensOf(service.partner, 'later')).toBe('0')
    const resend = async () => (await service.client.admin('POST', '/admin/v1/rejected-events/resend', { ids })).body.events
    const outcomes = [
      { id: ids[0], outcome: 'accepted', reason: null },
      { id: ids[1], outcome: 'rejected', reason: 'project_not_allowed' },
    ]
    // Resubmitted twice, as by two operators: with Kafka the second is detected as a copy only when it is read.
    expect([await resend(), await resend()]).toEqual([outcomes, outcomes])
    expect((await send(makeEvent('later', 'by-emitter', '2'), makeEvent('later', 'by-hand', '7'))).body).toEqual({ accepted: '2', rejected: [] })
    await service.untilSettled()
    expect(await tokensOf(service.partner, 'later')).toBe('9')
    expect((await service.client.audit()).body).toMatchObject({ differences: [], partnership_differences: [] })
  })
})
