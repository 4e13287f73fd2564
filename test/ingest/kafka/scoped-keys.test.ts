import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credentials, TestEvent } from '../../support/clients/client.ts'
import { HAS_KAFKA, kafkaForTests, type TestKafka } from '../../support/engines/kafka-broker.ts'
import { type KafkaService, makeEvent, startKafkaService } from '../../support/kafka/kafka-service.ts'

interface Filed {
  readonly id: string
  readonly reason: string
  readonly project_id: string
  readonly event_id: string
}

describe.skipIf(!HAS_KAFKA)('an ingest key of one partner, with Kafka', () => {
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
  const filed = async (): Promise<Filed[]> => (await callWith('GET', '/v1/rejected-events')).body.rejected_events

  test('P5: its own projects’ events count; all others are refused in the 202, filed, and count for nobody', async () => {
    const answer = await send(makeEvent('own', 'a'), makeEvent('foreign', 'b'), makeEvent('nobody', 'c'), makeEvent('own', 'd'))
    const refused = { reason: 'project_not_allowed', message: expect.any(String) }
    expect([answer.status, answer.body]).toEqual([
      202,
      {
        accepted: '2',
        rejected: [
          { index: '1', event_id: 'b', ...refused },
          { index: '2', event_id: 'c', ...refused },
        ],
      },
    ])
    await service.untilSettled()
    expect([await tokensOf(service.partner, 'own'), await tokensOf(other, 'foreign')]).toEqual(['2', '0'])
    const told = [
      { reason: 'project_not_allowed', project_id: 'foreign', event_id: 'b' },
      { reason: 'project_not_allowed', project_id: 'nobody', event_id: 'c' },
    ]
    const byEvent = (events: Filed[]) => events.toSorted((one, two) => (one.event_id < two.event_id ? -1 : 1))
    expect(byEvent(await filed())).toMatchObject(told)
    expect(byEvent((await service.client.admin('GET', '/admin/v1/rejected-events')).body.rejected_events)).toMatchObject(told)
    // Whoever may send for all projects finds the identities free.
    await service.client.send([makeEvent('foreign', 'b', '5')])
    await service.untilSettled()
    expect(await tokensOf(other, 'foreign')).toBe('5')
  })

  test('P2, P7: a refusal uses up no identity: registered since, it is sent through again and counts once', async () => {
    await send(makeEvent('later', 'by-hand', '7'), makeEvent('later', 'by-emitter', '2'), makeEvent('never', 'by-hand'))
    await service.untilSettled()
    const idOf = async (project: string, event: string) => (await filed()).find((each) => each.project_id === project && each.event_id === event)?.id
    const ids = [await idOf('later', 'by-hand'), await idOf('never', 'by-hand')]
    await service.client.registerProject('later', service.partner.partnerId)
    expect(await tokensOf(service.partner, 'later')).toBe('0')
    const resend = async () => (await service.client.admin('POST', '/admin/v1/rejected-events/resend', { ids })).body.events
    const outcomes = [
      { id: ids[0], outcome: 'accepted', reason: null },
      { id: ids[1], outcome: 'rejected', reason: 'project_not_allowed' },
    ]
    // Twice, as by two operators: with Kafka it is told when it is read that the second is a copy.
    expect([await resend(), await resend()]).toEqual([outcomes, outcomes])
    expect((await send(makeEvent('later', 'by-emitter', '2'), makeEvent('later', 'by-hand', '7'))).body).toEqual({ accepted: '2', rejected: [] })
    await service.untilSettled()
    expect(await tokensOf(service.partner, 'later')).toBe('9')
    expect((await service.client.audit()).body).toMatchObject({ differences: [], partnership_differences: [] })
  })
})
