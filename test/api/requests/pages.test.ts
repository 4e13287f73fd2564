import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credentials } from '../../support/clients/client.ts'
import { makeSpikes } from '../../support/worlds/make-spikes.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

type Row = Record<string, string | null>

let tested: TestService
let ours: Credentials
let theirs: Credentials
beforeAll(async () => {
  tested = await startTestService()
  const { client } = tested
  await client.createIngestKey()
  // Two partners with one name: the id distinguishes them.
  for (const name of ['Same', 'Zeta', 'Same', 'alpha', 'Mid']) await client.createPartner(name)
  ours = await client.createPartner('Ours')
  theirs = await client.createPartner('Theirs')
  for (const id of ['p-1', 'p-2', 'p-3']) await client.registerProject(id, ours.partnerId)
  await client.registerProject('other', theirs.partnerId, { name: 'QUOTED 100%_' })
  await client.registerProject('gone', ours.partnerId, { status: 'deleted' })
  for (let times = 0; times < 4; times += 1) await client.admin('POST', '/admin/v1/signing-keys')
  for (let times = 0; times < 3; times += 1) await client.admin('POST', '/admin/v1/tokens', { role: 'finance' })
  // In one request, so at one time: the offset distinguishes them.
  await client.send(Array.from({ length: 5 }, (_, index) => rejected(`together-${index}`)))
  for (let index = 0; index < 3; index += 1) await client.send(rejected(`alone-${index}`))
  const timestamp = new Date().toISOString()
  await client.send(['u-1', 'u-2', 'u-3'].map((project_id) => ({ event_id: 'e', project_id, metric: 'ai_tokens', value: 1, timestamp })))
  await makeSpikes(tested, { 'p-1': '0', 'p-2': '900000', other: '900000' })
})
afterAll(() => tested.stop())

function rejected(event_id: string) {
  return { event_id, project_id: 'p', metric: 'none' }
}

async function pagesOf(path: string, field: string, limit: number, between: () => Promise<unknown> = async () => undefined): Promise<Row[]> {
  const rows: Row[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const joined = `${path}${path.includes('?') ? '&' : '?'}limit=${limit}${cursor === '' ? '' : `&cursor=${cursor}`}`
    const { status, body } = await tested.client.admin('GET', joined)
    expect([joined, status]).toEqual([joined, 200])
    expect(body[field].length).toBeLessThanOrEqual(limit)
    rows.push(...body[field])
    cursor = body.next_cursor
    if (cursor !== null) await between()
  }
  return rows
}

const LISTS = [
  ['/admin/v1/partners', 'partners', 7],
  ['/admin/v1/projects', 'projects', 5],
  ['/admin/v1/signing-keys', 'signing_keys', 5],
  ['/admin/v1/tokens', 'tokens', 3],
  ['/admin/v1/rejected-events', 'rejected_events', 8],
  ['/admin/v1/unregistered-projects', 'projects', 3],
  ['/admin/v1/spikes', 'spikes', 3],
] as const

const OTHER_LISTS = [
  ['/admin/v1/audits', 'audits', 0],
  ['/admin/v1/deliveries?month=2026-01', 'deliveries', 0],
  ['/admin/v1/corrections?project_id=p-1', 'corrections', 0],
  ['/admin/v1/correction-batches', 'batches', 0],
] as const

describe('lists of operators have pages', () => {
  test.each(LISTS)('%s: each row is listed once, in the same order for every page size', async (path, field, length) => {
    const whole = await pagesOf(path, field, 100)
    expect(whole).toHaveLength(length)
    for (const limit of [1, 2, 3, length]) expect(await pagesOf(path, field, limit)).toEqual(whole)
  })

  test.each([...LISTS, ...OTHER_LISTS])('%s: at most 100 rows, and a cursor of its own only', async (path) => {
    const joiner = path.includes('?') ? '&' : '?'
    // Where there is one, a list whose places look the same.
    const elsewhere = path === '/admin/v1/projects' ? '/admin/v1/signing-keys' : '/admin/v1/projects'
    const { next_cursor } = (await tested.client.admin('GET', `${elsewhere}?limit=1`)).body
    expect(next_cursor).toEqual(expect.any(String))
    for (const cursor of ['', 'x', next_cursor, Buffer.from('["a"]').toString('base64url'), Buffer.from('{}').toString('base64url')])
      expect((await tested.client.admin('GET', `${path}${joiner}cursor=${cursor}`)).body.code).toBe('CURSOR_INVALID')
    for (const query of ['limit=0', 'limit=101', 'limit=x', 'limit=', 'page=2'])
      expect([query, (await tested.client.admin('GET', `${path}${joiner}${query}`)).status]).toEqual([query, 400])
  })

  test('a cursor with a place that the store could not parse is rejected as invalid', async () => {
    for (const [path] of LISTS) {
      const { next_cursor } = (await tested.client.admin('GET', `${path}?limit=1`)).body
      const [print, ...place] = JSON.parse(Buffer.from(next_cursor, 'base64url').toString('utf8'))
      for (const forged of [[print], [print, ...place, 'more'], [print, ...place.map(() => ({}))], [print, ...place.map(() => -1.5)]]) {
        const cursor = Buffer.from(JSON.stringify(forged)).toString('base64url')
        expect((await tested.client.admin('GET', `${path}?cursor=${cursor}`)).body.code).toBe('CURSOR_INVALID')
      }
    }
  })
})

describe('P7: lists of rejected events', () => {
  test('rejected events are listed newest first and completely, also while new ones arrive', async () => {
    const before = (await pagesOf('/admin/v1/rejected-events', 'rejected_events', 100)).map(({ event_id }) => event_id)
    expect(before).toEqual(['alone-2', 'alone-1', 'alone-0', ...[4, 3, 2, 1, 0].map((index) => `together-${index}`)])
    const between = () => tested.client.send(rejected('meanwhile'))
    const paged = await pagesOf('/admin/v1/rejected-events', 'rejected_events', 3, between)
    expect(paged.map(({ event_id }) => event_id)).toEqual(before)
  })

  test("an ingest key lists its own rejected events on every page, and a cursor of the operator's list is invalid for it", async () => {
    const key = await tested.client.createIngestKey('another')
    for (let index = 0; index < 3; index += 1) await tested.client.send(rejected(`of-another-${index}`))
    const list = async (query: string) =>
      (await tested.client.call('GET', `/v1/rejected-events?${query}`, { headers: { authorization: `Bearer ${key}` } })).body
    const first = await list('limit=2')
    const second = await list(`limit=2&cursor=${first.next_cursor}`)
    const ids = [...first.rejected_events, ...second.rejected_events].map(({ event_id }: Row) => event_id)
    expect([ids, second.next_cursor]).toEqual([['of-another-2', 'of-another-1', 'of-another-0'], null])
    const { next_cursor } = (await tested.client.admin('GET', '/admin/v1/rejected-events?limit=1')).body
    expect((await list(`cursor=${next_cursor}`)).code).toBe('CURSOR_INVALID')
    expect((await list('limit=101')).code).toBe('INVALID_REQUEST')
  })
})

describe('the list of projects', () => {
  const idsOf = async (query: string) => (await pagesOf(`/admin/v1/projects?${query}`, 'projects', 2)).map(({ id }) => id)

  test('the list of projects is of all partners or of one, oldest first, with the same rows as single reads', async () => {
    expect(await idsOf('')).toEqual(['p-1', 'p-2', 'p-3', 'other', 'gone'])
    expect(await idsOf(`partner_id=${ours.partnerId}`)).toEqual(['p-1', 'p-2', 'p-3', 'gone'])
    for (const project of await pagesOf('/admin/v1/projects', 'projects', 100))
      expect((await tested.client.admin('GET', `/admin/v1/projects/${project['id']}`)).body).toEqual({ project })
  })

  test('the list of projects can be searched by part of the name or id, ignoring case, and by status', async () => {
    expect(await idsOf('search=P-')).toEqual(['p-1', 'p-2', 'p-3'])
    expect(await idsOf('search=quoted%20100%25_')).toEqual(['other'])
    expect(await idsOf('status=deleted')).toEqual(['gone'])
    expect(await idsOf(`status=active&partner_id=${theirs.partnerId}`)).toEqual(['other'])
    expect(await idsOf('search=nothing')).toEqual([])
  })

  test('the list of projects rejects unknown parameters and cursors of other filters', async () => {
    expect((await tested.client.admin('GET', '/admin/v1/projects?partner_id=ps_unknown')).body.code).toBe('PARTNER_NOT_FOUND')
    for (const query of ['partner_id=', 'status=dead', `search=${'x'.repeat(129)}`, 'name=p'])
      expect([query, (await tested.client.admin('GET', `/admin/v1/projects?${query}`)).status]).toEqual([query, 400])
    const { next_cursor } = (await tested.client.admin('GET', '/admin/v1/projects?limit=1')).body
    expect((await tested.client.admin('GET', `/admin/v1/projects?status=active&cursor=${next_cursor}`)).body.code).toBe('CURSOR_INVALID')
  })
})

describe('the list of a partner’s projects', () => {
  test('a first page of more than 100 projects, which no cursor can name, fixes the order of the rest', async () => {
    const { client } = tested
    const { partnerId } = await client.createPartner('Long pages')
    const before = Array.from({ length: 230 }, (_, index) => `long-${String(index).padStart(3, '0')}`)
    const register = (ids: readonly string[], prefix: string) =>
      client.admin('POST', '/admin/v1/projects/batch', { projects: ids.map((id) => ({ id, name: `${prefix}-${id}`, partner_id: partnerId })) })
    for (const ids of [before.slice(0, 115), before.slice(115)]) await register(ids, 'm')
    const list = `/admin/v1/partners/${partnerId}/projects?start_date=2026-01-01&end_date=2026-01-31`
    let changes = 0
    const listed = await pagesOf(list, 'projects', 101, async () => {
      changes += 1
      // What was shown sorts last now, what was last sorts first, and one is new.
      await register(before.slice(0, 3), 'z')
      await register(before.slice(-3), 'a')
      await register([`later-${changes}`], 'n')
    })
    expect(changes).toBe(2)
    expect(listed.map(({ id }) => id).sort()).toEqual(before)
    expect(await pagesOf(`${list}&search=long`, 'projects', 1_000)).toHaveLength(before.length)
  })
})
