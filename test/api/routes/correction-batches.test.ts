import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Credentials } from '../../support/clients/client.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const PATH = '/admin/v1/correction-batches'

let tested: TestService
let partner: Credentials
beforeAll(async () => {
  tested = await startTestService()
  partner = await tested.client.createPartner('Batches')
  await tested.client.createIngestKey()
})
afterAll(() => tested.stop())

const event = (project_id: string, event_id: string, value: string, more: object = {}) => ({
  ...{ event_id, project_id, metric: 'ai_tokens', value, timestamp: '2026-01-10T12:00:00Z' },
  ...more,
})
const windowOf = (project_id: string, more: object = {}) => ({
  ...{ project_id, metric: 'ai_tokens', from: '2026-01-10', to: '2026-01-11', reason: 'each token was reported ten times' },
  ...more,
})

async function open(project: string, more: object = {}): Promise<string> {
  const { status, body } = await tested.client.admin('POST', PATH, windowOf(project, more))
  expect([status, body.batch?.state]).toEqual([201, 'open'])
  return body.batch.id
}

const call = (id: string, step: 'events' | 'close' | 'revert', body: unknown = {}) => tested.client.admin('POST', `${PATH}/${id}/${step}`, body)
const stateOf = async (id: string) => (await tested.client.admin('GET', `${PATH}/${id}`)).body.batch
const totalOf = async (project: string) => (await tested.client.projectUsage(partner, project, '2026-01-01', '2026-01-31')).body.summary.total_ai_tokens

test('P2 P4: a batch replaces usage of a closed month when it is closed, as its preview says, and the next statement has the difference and the reason', async () => {
  const { client } = tested
  await client.registerProject('billed', partner.partnerId)
  await client.send([
    event('billed', 'a', '1000'),
    event('billed', 'b', '500', { timestamp: '2026-01-11T00:00:00Z' }),
    event('billed', 'c', '7', { timestamp: '2026-01-20T00:00:00Z' }),
  ])
  await client.billFrom(partner.partnerId, '2026-01')
  await client.closeMonth(partner.partnerId, '2026-01')
  const closed = (await client.statement(partner, '2026-01')).body.projects
  const held = (await client.admin('POST', PATH, windowOf('billed', { dry_run: true }))).body
  const month = { month: '2026-01', is_closed: true, billed_on: 'next_statement' }
  expect(held.preview.month).toEqual({ ...month, before: '1507', after: '7', difference: '-1500' })
  const id = await open('billed')
  expect((await call(id, 'events', [event('billed', 'n1', '100'), event('billed', 'n2', '50')])).body).toEqual({ accepted: '2', duplicates: '0', rejected: [] })
  expect((await call(id, 'events', event('billed', 'n1', '100'))).body).toMatchObject({ accepted: '0', duplicates: '1' })
  const preview = {
    days: [
      { usage_date: '2026-01-10', before: '1000', after: '150', difference: '-850', events_before: '1', events_after: '2' },
      { usage_date: '2026-01-11', before: '500', after: null, difference: '-500', events_before: '1', events_after: '0' },
    ],
    month: { ...month, before: '1507', after: '157', difference: '-1350' },
  }
  const dry = await call(id, 'close', { dry_run: true })
  expect([dry.status, dry.body.preview, dry.body.batch.state, dry.body.batch.events]).toEqual([200, preview, 'open', '2'])
  expect(await totalOf('billed')).toBe('1507')
  const answer = await call(id, 'close')
  expect([answer.status, answer.body.batch.state, answer.body.preview]).toEqual([200, 'closed', null])
  expect(await totalOf('billed')).toBe('157')
  expect((await call(id, 'close')).body).toEqual(answer.body)
  expect((await client.statement(partner, '2026-01')).body.projects).toEqual(closed)
  await client.closeMonth(partner.partnerId, '2026-02')
  const { body } = await client.statement(partner, '2026-02')
  expect(body.adjustments).toMatchObject([{ for_month: '2026-01', value: '-1350', reason: expect.stringContaining('each token was reported ten times') }])
  expect((await call(id, 'revert', { dry_run: true })).body.preview.month).toMatchObject({ before: '157', after: '1507', difference: '1350' })
  expect((await call(id, 'revert')).body.batch).toMatchObject({ state: 'reverted', closed_at: expect.any(String), reverted_at: expect.any(String) })
  expect(await totalOf('billed')).toBe('1507')
  expect((await call(id, 'events', event('billed', 'n3', '1'))).body.code).toBe('BATCH_CLOSED')
  const actions = (await client.admin('GET', '/admin/v1/audit-log?subject=billed')).body.entries.map(({ action }: { action: string }) => action)
  for (const action of ['open', 'send', 'close', 'revert']) expect(actions).toContain(`correction-batch.${action}`)
})

test('P7: an event that would never count with its batch is rejected with the reason, and the bytes that are kept name the batch', async () => {
  const { client } = tested
  await client.registerProject('rejected', partner.partnerId)
  await client.send(event('rejected', 'old', '5'))
  const id = await open('rejected')
  const bad = [
    event('other', 'e1', '1'),
    event('rejected', 'e2', '1', { metric: 'mcp_calls' }),
    event('rejected', 'e3', '1', { timestamp: '2026-01-12T00:00:00Z' }),
    { event_id: 'e4', project_id: 'rejected', corrects: 'old', action: 'void', reason: 'x' },
    event('rejected', 'e5', '1', { correction_batch: 'another' }),
    event('rejected', 'e6', '-1'),
    event('rejected', 'old', '5'),
    { specversion: '1.0', source: '/gateway', id: 'e7', subject: 'rejected', type: 'ai_tokens', time: '2026-01-10T12:00:00Z', data: { value: '3' } },
    event('rejected', 'e8', '1', { timestamp: '2099-01-01T00:00:00Z', correction_batch: null }),
  ]
  const { body } = await call(id, 'events', [...bad, event('rejected', 'good', '2')])
  const wrong = 'invalid_correction'
  expect(body.accepted).toBe('1')
  expect(body.rejected.map(({ reason }: { reason: string }) => reason)).toEqual([
    ...[wrong, wrong, wrong, wrong, wrong, 'invalid_value', 'conflict', wrong, 'timestamp_in_future'],
  ])
  const all: { id: string; original: string }[] = (await client.admin('GET', '/admin/v1/rejected-events?limit=100')).body.rejected_events
  const kept = all.filter(({ original }) => original.includes(id))
  expect(kept.map(({ original }) => JSON.parse(original).correction_batch)).toEqual(Array(bad.length).fill(id))
  // Whatever was sent, nothing of it counts outside the batch when it is resent, and no batch is closed by it.
  const { body: resent } = await client.admin('POST', '/admin/v1/rejected-events/resend', { ids: kept.map((each) => each.id) })
  expect(resent.events.map(({ outcome }: { outcome: string }) => outcome)).toEqual(Array(bad.length).fill('rejected'))
  expect([await totalOf('rejected'), (await stateOf(id)).events]).toEqual(['5', '1'])
})

test('P5: an ingest key can neither hold events nor close a batch, and what it sends with the id of a waiting event says where that is', async () => {
  const { client } = tested
  await client.registerProject('keys', partner.partnerId)
  const id = await open('keys')
  await call(id, 'events', event('keys', 'waiting', '5'))
  const close = {
    event_id: `close-${id}`,
    project_id: 'keys',
    correction_batch: id,
    batch_action: 'close',
    metric: 'ai_tokens',
    from: '2026-01-10',
    to: '2026-01-11',
    reason: 'x',
  }
  const { body } = await client.send([close, event('keys', 'x', '1', { correction_batch: id }), event('keys', 'waiting', '5')])
  expect(body.rejected).toMatchObject([
    { reason: 'invalid_correction', message: expect.stringContaining('POST /admin/v1/correction-batches') },
    { reason: 'invalid_correction' },
    { reason: 'conflict', message: expect.stringContaining(`was sent to the correction batch ${id}`) },
  ])
  expect([(await stateOf(id)).state, await totalOf('keys')]).toEqual(['open', '0'])
})

test('batches are listed with their states, the last opened first, also of one project', async () => {
  const { client } = tested
  await client.registerProject('listed', partner.partnerId)
  const [first, second] = [await open('listed'), await open('listed', { from: '2026-01-12', to: '2026-01-12' })]
  await call(first, 'events', [event('listed', 'a', '1')])
  await call(first, 'close')
  const list = (await client.admin('GET', `${PATH}?project_id=listed&limit=1`)).body
  expect(list.batches).toMatchObject([{ id: second, state: 'open', events: '0' }])
  const next = (await client.admin('GET', `${PATH}?project_id=listed&limit=1&cursor=${list.next_cursor}`)).body
  expect([next.batches, next.next_cursor]).toMatchObject([[{ id: first, state: 'closed', events: '1' }], null])
  expect((await client.admin('GET', PATH)).body.batches.length).toBeGreaterThan(2)
})

test('a window is within one month, and names a metric that exists', async () => {
  const { client } = tested
  for (const more of [{ to: '2026-02-01' }, { from: '2026-01-12' }, { metric: 'nothing' }, { reason: '' }, { from: '2026-01-32' }, { more: 1 }])
    expect([more, (await client.admin('POST', PATH, windowOf('p', more))).body.code]).toEqual([more, 'INVALID_REQUEST'])
  expect((await client.admin('GET', `${PATH}/nothing`)).body.code).toBe('BATCH_NOT_FOUND')
  expect((await call('nothing', 'close')).body.code).toBe('BATCH_NOT_FOUND')
  expect((await call(await open('p'), 'revert')).body.code).toBe('BATCH_REJECTED')
})

test('usage that does not add up is not replaced as a whole, and the answer says what to do instead', async () => {
  await tested.client.admin('PUT', '/admin/v1/metrics/level', { kind: 'last', unit: 'meter', description: 'A level.' })
  const { status, body } = await tested.client.admin('POST', PATH, windowOf('levels', { metric: 'level' }))
  expect([status, body.message]).toEqual([400, expect.stringContaining('Void the events that are wrong')])
})
