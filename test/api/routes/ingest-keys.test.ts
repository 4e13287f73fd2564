import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credentials } from '../../support/clients/client.ts'
import { type AnsweredRequest, listenToRequests } from '../../support/query-trace.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const DAY = '2026-01-05'

let tested: TestService
let own: Credentials
let other: Credentials
const answered: AnsweredRequest[] = []
let stopListening: () => void
beforeAll(async () => {
  stopListening = listenToRequests((request) => answered.push(request))
  tested = await startTestService()
  own = await tested.client.createPartner('Own')
  other = await tested.client.createPartner('Other')
  await tested.client.registerProject('own', own.partnerId)
  await tested.client.registerProject('own-too', own.partnerId)
  await tested.client.registerProject('foreign', other.partnerId)
  await tested.client.registerProject('gone', own.partnerId, { status: 'deleted' })
})
afterAll(async () => {
  stopListening()
  await tested.stop()
})

const admin = (method: string, path = '', body?: unknown) => tested.client.admin(method, `/admin/v1/ingest-keys${path}`, body)
const createKey = async (body: object): Promise<{ id: string; key: string }> => (await admin('POST', '', body)).body
const scopedKey = () => createKey({ name: 'scoped', partner_ids: [own.partnerId] })
const event = (project_id: string, event_id: string, value: unknown = 1) => ({
  event_id,
  project_id,
  metric: 'ai_tokens',
  value,
  timestamp: `${DAY}T12:00:00Z`,
})
const callWith = (key: string, method: string, path: string, body?: string) => {
  const headers = { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
  return tested.client.call(method, path, { headers, ...(body === undefined ? {} : { body }) })
}
const send = (key: string, events: readonly object[]) => callWith(key, 'POST', '/v1/events', JSON.stringify(events))
const tokensOf = async (credentials: Credentials, projectId: string) =>
  (await tested.client.projectUsage(credentials, projectId, DAY, DAY)).body.daily_usage[0]?.ai_tokens

interface ShownKey {
  readonly id: string
  readonly name: string
}

/** All pages. */
async function listAll(limit: number): Promise<ShownKey[]> {
  const keys: ShownKey[] = []
  for (let cursor = ''; ; ) {
    const { body } = await admin('GET', `?limit=${limit}${cursor === '' ? '' : `&cursor=${cursor}`}`)
    keys.push(...body.ingest_keys)
    if (body.next_cursor === null) return keys
    cursor = body.next_cursor
  }
}

async function queriesOf(answer: { headers: Headers }): Promise<readonly string[]> {
  const id = answer.headers.get('x-request-id')
  await untilSo(async () => answered.some(({ requestId }) => requestId === id))
  return answered.find(({ requestId }) => requestId === id)?.queries ?? []
}

describe('P5: a key that is limited to partners', () => {
  test('P5: a limited key sends events for registered projects of its partners only, including deleted ones; other events of the request still count', async () => {
    const { key } = await scopedKey()
    const { status, body } = await send(key, [
      event('own', '1'),
      event('foreign', '1'),
      event('gone', '1'),
      event('unregistered', '1'),
      event('own-too', '1', '-1'),
    ])
    expect([status, body.accepted, body.duplicates]).toEqual([200, '2', '0'])
    expect(body.rejected.map(({ index, event_id, reason }: Record<string, unknown>) => [index, event_id, reason])).toEqual([
      ['1', '1', 'project_not_allowed'],
      ['3', '1', 'project_not_allowed'],
      ['4', '1', 'invalid_value'],
    ])
    expect([await tokensOf(own, 'own'), await tokensOf(own, 'gone'), await tokensOf(other, 'foreign')]).toEqual(['1', '1', undefined])
  })

  test('P5: a limited key gets the same answer for a project of another partner as for an unregistered one, also on a repeated call', async () => {
    const [mine, theirs] = [(await scopedKey()).key, (await createKey({ name: 'theirs', partner_ids: [other.partnerId] })).key]
    // The key of the other partner makes the service cache the owner of the project.
    expect((await send(theirs, [event('foreign', 'remembered')])).body.accepted).toBe('1')
    for (let times = 0; times < 2; times += 1) {
      const [foreign, unknown] = [await send(mine, [event('foreign', 'compared')]), await send(mine, [event('unregistered', 'compared')])]
      expect([foreign.status, foreign.text]).toEqual([unknown.status, unknown.text])
      // The query for the key itself is ignored: the key is cached for one second, so the query may or may not run.
      for (const answer of [foreign, unknown])
        expect((await queriesOf(answer)).filter((name) => name !== 'living_ingest_key')).toEqual(['projects_of_partners'])
    }
  })

  test('P5: a limited key lists its own rejected events only, with their original bytes', async () => {
    const [{ key }, second] = [await scopedKey(), await scopedKey()]
    await send(second.key, [event('unregistered', 'of-the-second')])
    await send(key, [event('foreign', 'of-the-first')])
    const { rejected_events } = (await callWith(key, 'GET', '/v1/rejected-events')).body
    expect(rejected_events).toHaveLength(1)
    expect(rejected_events[0]).toMatchObject({ reason: 'project_not_allowed', project_id: 'foreign', event_id: 'of-the-first' })
    expect(JSON.parse(rejected_events[0].original)).toEqual(event('foreign', 'of-the-first'))
  })

  test('an event that was rejected for its project counts when it is sent or resubmitted after the registration', async () => {
    const { key } = await scopedKey()
    await send(key, [event('later', 'by-emitter'), event('later', 'by-hand'), event('never', 'by-hand')])
    const rejected = (await callWith(key, 'GET', '/v1/rejected-events')).body.rejected_events
    const idOf = (project_id: string, event_id: string) =>
      rejected.find((each: Record<string, unknown>) => each['project_id'] === project_id && each['event_id'] === event_id).id
    await tested.client.registerProject('later', own.partnerId)
    expect((await send(key, [event('later', 'by-emitter')])).body.accepted).toBe('1')
    const ids = [idOf('later', 'by-hand'), idOf('never', 'by-hand')]
    const { events } = (await tested.client.admin('POST', '/admin/v1/rejected-events/resend', { ids })).body
    expect(events).toEqual([
      { id: ids[0], outcome: 'accepted', reason: null },
      { id: ids[1], outcome: 'rejected', reason: 'project_not_allowed' },
    ])
    expect(await tokensOf(own, 'later')).toBe('2')
  })

  test('the owners of all projects of a request are read in one query and cached, and a key for all projects reads none', async () => {
    const [scoped, all] = [(await scopedKey()).key, (await createKey({ name: 'all' })).key]
    const many = Array.from({ length: 10_000 }, (_, index) => event(`${'p'.repeat(120)}-${index}`, 'many'))
    const rejected = await send(scoped, [...many.slice(1), event('own', 'many')])
    expect([rejected.status, rejected.body.accepted, rejected.body.rejected.length]).toEqual([200, '1', 9_999])
    expect((await queriesOf(rejected)).filter((name) => name === 'projects_of_partners')).toHaveLength(1)
    const [known, unscoped] = [await send(scoped, [event('own', 'known')]), await send(all, [event('unregistered', 'all')])]
    expect([known.body.accepted, unscoped.body.accepted]).toEqual(['1', '1'])
    for (const answer of [known, unscoped]) expect(await queriesOf(answer)).not.toContain('projects_of_partners')
  })

  test('a key is created for existing partners only', async () => {
    const before = await listAll(100)
    const unknown = await admin('POST', '', { name: 'x', partner_ids: [own.partnerId, 'ps_nobody'] })
    expect([unknown.status, unknown.body.code, unknown.body.message]).toEqual([404, 'PARTNER_NOT_FOUND', expect.stringContaining('ps_nobody')])
    const tooMany = Array.from({ length: 101 }, (_, index) => `ps_${index}`)
    for (const partner_ids of [[], tooMany, [7], [''], own.partnerId]) {
      const answer = await admin('POST', '', { name: 'x', partner_ids })
      expect([answer.status, answer.body.message]).toEqual([400, expect.stringContaining('partner_ids')])
    }
    expect(await listAll(100)).toEqual(before)
  })
})

describe('the list of ingest keys', () => {
  test('the list of ingest keys contains metadata of a key, never the key or its hash', async () => {
    const { id, key } = await createKey({ name: 'Listed', partner_ids: [own.partnerId, other.partnerId, own.partnerId] })
    const shown = async () => (await listAll(100)).find((each) => each.id === id)
    const expected = {
      id,
      name: 'Listed',
      prefix: key.slice(0, 8),
      last_four: key.slice(-4),
      partner_ids: [own.partnerId, other.partnerId],
      created_at: expect.any(String),
      revoked_at: null,
      last_used_at: null,
    }
    expect(await shown()).toEqual(expected)
    await callWith(key, 'GET', '/v1/rejected-events')
    expect(await shown()).toEqual({ ...expected, last_used_at: expect.any(String) })
    expect((await admin('GET', '?limit=100')).text).not.toMatch(/hash|[0-9a-f]{64}|mli_[\w-]{40}/)
  })

  test('the pages of ingest keys list each key once, oldest first', async () => {
    for (let index = 0; index < 5; index += 1) await createKey({ name: `paged-${index}` })
    const whole = await listAll(100)
    for (const limit of [1, 2, 3]) expect(await listAll(limit)).toEqual(whole)
    expect(whole.map(({ name }) => name).filter((name) => name.startsWith('paged-'))).toEqual([0, 1, 2, 3, 4].map((index) => `paged-${index}`))
    // A cursor of one list is rejected by another list.
    const { next_cursor } = (await admin('GET', '?limit=1')).body
    expect((await tested.client.admin('GET', `/admin/v1/accounts?cursor=${next_cursor}`)).body.code).toBe('CURSOR_INVALID')
  })

  test('the list of ingest keys rejects invalid cursors and limits', async () => {
    for (const cursor of ['x', Buffer.from('["a",1,"b"]').toString('base64url'), Buffer.from('{}').toString('base64url')])
      expect((await admin('GET', `?cursor=${cursor}`)).body.code).toBe('CURSOR_INVALID')
    for (const query of ['?limit=0', '?limit=101', '?limit=x', '?page=1']) expect((await admin('GET', query)).status).toBe(400)
  })
})

describe('a revoked key', () => {
  test('a revoked key is rejected from the next request on; revoking it again returns the same answer', async () => {
    const { id, key } = await createKey({ name: 'revoked' })
    expect((await send(key, [event('own', 'before')])).status).toBe(200)
    const revoked = await admin('DELETE', `/${id}`)
    expect((await send(key, [event('own', 'after')])).status).toBe(401)
    expect([revoked.status, revoked.body]).toEqual([200, { id, revoked_at: expect.any(String) }])
    expect((await admin('DELETE', `/${id}`)).body).toEqual(revoked.body)
    expect((await listAll(100)).find((each) => each.id === id)).toMatchObject({ revoked_at: revoked.body.revoked_at })
    const unknown = await admin('DELETE', '/nothing')
    expect([unknown.status, unknown.body.code]).toEqual([404, 'INGEST_KEY_NOT_FOUND'])
    const { entries } = (await tested.client.admin('GET', `/admin/v1/audit?subject=${id}&order=oldest`)).body
    expect(entries.map(({ action }: { action: string }) => action)).toEqual(['ingest-key.create', 'ingest-key.revoke'])
  })

  test('a malformed key is rejected without a query', async () => {
    const { key } = await createKey({ name: 'mistyped' })
    const answer = await send(`${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`, [event('own', 'x')])
    expect([answer.status, await queriesOf(answer)]).toEqual([401, []])
  })
})
