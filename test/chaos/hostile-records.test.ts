import { expect, test } from 'vitest'
import { readRecord } from '../../ingest/kafka/event-record.ts'
import { Random } from '../support/random.ts'
import { startTestService } from '../support/worlds/test-service.ts'
import { hostileRecord, hostileRequest } from './hostile-records.ts'

const TIMES = 100

test('the reason that each hostile record expects is the one for which it is rejected', () => {
  const random = new Random(1)
  for (let index = 0; index < TIMES; index += 1) {
    const { value, headers, reason } = hostileRecord(random, `record-${index}`, 'p')
    expect(readRecord({ offset: '0', timestamp: String(Date.now()), value, headers }, 'log').validated).toMatchObject({ rejection: { reason } })
  }
})

test('each hostile request is answered as it expects, and its good event counts', async () => {
  const { client, stop } = await startTestService()
  await client.createIngestKey()
  const random = new Random(1)
  const requests = Array.from({ length: TIMES }, (_, index) => hostileRequest(random, `request-${index}`, 'p'))
  const kinds = new Map(requests.map((request) => [JSON.stringify([request.status, request.rejected, request.headers, String(request.body[1])]), request]))
  expect(kinds.size).toBe(10)
  for (const [kind, { body, headers, status, rejected, accepted }] of kinds) {
    const answer = await client.call('POST', '/v1/events', { headers: { ...headers, authorization: `Bearer ${client.ingestKey}` }, body })
    const reasons = (answer.body.rejected ?? []).map(({ index, reason }: { index: string; reason: string }) => [index, reason])
    // Without Kafka an event is stored when it is answered, with 200.
    expect([kind, answer.status, Object.fromEntries(reasons)]).toEqual([kind, status === 202 ? 200 : status, rejected])
    if (status === 202) expect(answer.body.accepted).toBe(String(accepted.length))
  }
  await stop()
})
