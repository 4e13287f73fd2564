import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const OTHERS = 300_000
const READ_ROWS_MAX = 60_000

let tested: TestService
let key: string
beforeAll(async () => {
  tested = await startTestService({ READ_ROWS_MAX: String(READ_ROWS_MAX) })
  // Of another emitter, over some days, in the same log: more than one query of an emitter may read.
  await tested.service.clickhouse.control.command(`
    INSERT INTO rejected_events_v1 (log, offset, reason, message, project_id, event_id, ingest_key_id, received_at, original)
    SELECT 'http', 1000000 + number, 'invalid_value', 'm', 'p', toString(number), 'another', now64(3) - INTERVAL number SECOND, '{}' FROM numbers(${OTHERS})`)
  key = await tested.client.createIngestKey()
  for (let index = 0; index < 3; index += 1)
    await tested.client.send({ event_id: `e-${index}`, project_id: 'p', metric: 'ai_tokens', value: -1, timestamp: '2026-01-03T10:00:00Z' })
})
afterAll(() => tested.stop())

test('P7: an emitter lists its own rejected events without reading those of all others', async () => {
  const { status, body } = await tested.client.call('GET', '/v1/rejected-events', { headers: { authorization: `Bearer ${key}` } })
  expect([status, body.rejected_events.map(({ event_id }: { event_id: string }) => event_id)]).toEqual([200, ['e-2', 'e-1', 'e-0']])
})

test('a page of the rejected events of all emitters reads only the newest ones, within the limit of one query', async () => {
  const { status, body } = await tested.client.admin('GET', '/admin/v1/rejected-events?limit=5')
  expect([status, body.rejected_events.length]).toEqual([200, 5])
})
