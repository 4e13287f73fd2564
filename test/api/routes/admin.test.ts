import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { defineQuery } from '../../../sql/query.ts'
import type { Credentials } from '../../support/clients/client.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let partner: Credentials
beforeAll(async () => {
  tested = await startTestService()
  partner = await tested.client.createPartner('Admin')
  await tested.client.createIngestKey()
})
afterAll(() => tested.stop())

const CALLS: [method: string, path: string, body?: object][] = [
  ['POST', '/admin/v1/partners', { name: 'x' }],
  ['GET', '/admin/v1/partners'],
  ['GET', '/admin/v1/partners/x'],
  ['POST', '/admin/v1/partners/x/secrets', {}],
  ['DELETE', '/admin/v1/partners/x/secrets/x'],
  ['POST', '/admin/v1/ingest-keys', { name: 'x' }],
  ['GET', '/admin/v1/ingest-keys'],
  ['DELETE', '/admin/v1/ingest-keys/x'],
  ['PUT', '/admin/v1/projects/x', { partner_id: 'x', name: 'x' }],
  ['GET', '/admin/v1/projects/x'],
  ['GET', '/admin/v1/accounts'],
  ['GET', '/admin/v1/accounts/x'],
  ['PUT', '/admin/v1/accounts/x', { plan: 'paid' }],
  ['GET', '/admin/v1/rejected-events'],
  ['POST', '/admin/v1/audits', {}],
  ['GET', '/admin/v1/logs'],
  ['POST', '/admin/v1/logs/all/reset'],
  ['POST', '/admin/v1/logs/repartition'],
  ['POST', '/admin/v1/logs/audits'],
  ['POST', '/admin/v1/replays', { from: 0 }],
  ['POST', '/admin/v1/rejected-events/resend', { ids: ['http/0'] }],
  ['GET', '/admin/v1/audits'],
  ['GET', '/admin/v1/explain?project=x&metric=ai_tokens'],
  ['GET', '/admin/v1/silent-projects'],
  ['GET', '/admin/v1/corrections?project_id=x'],
  ['GET', '/admin/v1/exports?month=2026-01&format=csv'],
  ['GET', '/admin/v1/exports/manifest?month=2026-01&format=csv'],
  ['GET', '/admin/v1/statements/x'],
  ['GET', '/admin/v1/statements/x/2026-01'],
  ['POST', '/admin/v1/statements/x/2026-01/close'],
  ['POST', '/admin/v1/statements/x/adjustments', {}],
  ['PATCH', '/admin/v1/partners/x', { billing_from: '2026-01' }],
  ['POST', '/admin/v1/rebuilds', { month: '2026-01' }],
  ['POST', '/admin/v1/keys/rewrap'],
  ['POST', '/admin/v1/tokens', { role: 'finance' }],
  ['GET', '/admin/v1/signing-keys'],
  ['POST', '/admin/v1/signing-keys', {}],
]

describe('calls of operators', () => {
  test.each(CALLS)('%s %s is rejected with 401 without the admin token, also for partners and emitters', async (method, path, body) => {
    const { adminToken } = tested.service
    const notTokens = ['', 'Bearer', 'Bearer ', 'Bearer wrong', `Bearer ${adminToken}x`, `Bearer ${adminToken.slice(1)}`, `Basic ${adminToken}`, adminToken]
    const otherCredentials = [`Bearer ${partner.secret}`, `Bearer ${tested.client.ingestKey}`]
    for (const authorization of [...notTokens, ...otherCredentials]) {
      const headers = { authorization, 'content-type': 'application/json', 'x-partnership-secret': partner.secret }
      const answer = await tested.client.call(method, path, { headers, ...(body && { body: JSON.stringify(body) }) })
      expect([answer.status, answer.body.code, answer.headers.get('www-authenticate')]).toEqual([401, 'UNAUTHENTICATED', 'Bearer'])
    }
    expect((await tested.client.admin(method, path, body)).status).not.toBe(401)
  })

  test('the admin token is not accepted for calls of partners and emitters', async () => {
    expect((await tested.client.partnershipUsage({ ...partner, secret: tested.service.adminToken }, '2026-01-01', '2026-01-02')).status).toBe(401)
    const headers = { authorization: `Bearer ${tested.service.adminToken}` }
    expect((await tested.client.call('GET', '/v1/rejected-events', { headers })).status).toBe(401)
  })
})

describe('partners and keys', () => {
  test('creating a partner or an ingest key returns 201, and only this answer contains the secret', async () => {
    const created = await tested.client.admin('POST', '/admin/v1/partners', { name: ' Trimmed ', mode: 'co-branded' })
    expect([created.status, created.body]).toEqual([
      201,
      { partner: { id: expect.stringMatching(/^ps_[A-Za-z0-9]{12}$/), name: 'Trimmed' }, secret: expect.stringMatching(/^mls_/) },
    ])
    const key = await tested.client.admin('POST', '/admin/v1/ingest-keys', { name: 'gateway' })
    expect([key.status, key.body]).toEqual([201, { id: expect.any(String), key: expect.stringMatching(/^mli_/) }])
    const { text, body } = await tested.client.admin('GET', '/admin/v1/partners')
    const month = new Date().toISOString().slice(0, 7)
    expect(body.partners).toContainEqual({
      id: created.body.partner.id,
      name: 'Trimmed',
      mode: 'co-branded',
      disabled_at: null,
      billing_from: month,
      closed_through: null,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    })
    expect(text).not.toMatch(/secret|hash|mls_|mli_/)
  })

  test('calls of operators reject an invalid body with the name of the field', async () => {
    for (const [path, body, named] of [
      ['/admin/v1/partners', {}, 'name'],
      ['/admin/v1/partners', { name: 'x', mode: 'grey-label' }, 'mode'],
      ['/admin/v1/partners', { name: 'x', colour: 'red' }, 'colour'],
      ['/admin/v1/partners', { name: 'x\0' }, 'name'],
      ['/admin/v1/ingest-keys', { name: 7 }, 'name'],
      ['/admin/v1/ingest-keys', { name: 'x', scope: 'all' }, 'scope'],
      ['/admin/v1/audits', { month: '2026-01' }, 'month'],
      ['/admin/v1/audits', { from: '2026-02-30' }, 'from'],
      ['/admin/v1/audits', { from: '2026-02-02', to: '2026-02-01' }, 'from'],
      ['/admin/v1/replays', { log: 'all' }, 'from'],
      ['/admin/v1/replays', { from: -1 }, 'from'],
      ['/admin/v1/rejected-events/resend', { ids: [] }, 'ids'],
      ['/admin/v1/rejected-events/resend', { id: 'http/0' }, 'id'],
    ] as const) {
      const answer = await tested.client.admin('POST', path, body)
      expect([answer.status, answer.body.code, answer.body.message]).toEqual([400, 'INVALID_REQUEST', expect.stringContaining(named)])
    }
  })

  test('credentials are stored as hashes, the pepper and the project keys are stored encrypted, and no row contains plain text', async () => {
    const { api_key } = (await tested.client.partner(partner, 'POST', '/sync-embedded-project', '{"project_name":"stored"}')).body.project
    const rows = await tested.service.clickhouse.reads.query(storedCredentials, {})
    for (const kind of ['secret', 'key', 'project', 'pepper']) expect(rows.map((row) => row.kind)).toContain(kind)
    for (const { kind, stored } of rows) expect(stored).toMatch(kind === 'secret' || kind === 'key' ? /^[0-9a-f]{64}$/ : /^v2\.[0-9a-f]{8}\.[\w-]{40,}$/)
    const all = JSON.stringify(rows)
    for (const shown of [partner.secret, tested.client.ingestKey, api_key]) expect(all).not.toContain(shown)
  })
})

describe('rejected events', () => {
  test('rejected events are listed newest first, up to the limit of the request', async () => {
    for (const event_id of ['old', 'new']) await tested.client.send({ event_id, project_id: 'p', metric: 'none' })
    const ids = async (query: string) =>
      (await tested.client.admin('GET', `/admin/v1/rejected-events${query}`)).body.rejected_events.map((each: { event_id: string }) => each.event_id)
    expect(await ids('')).toEqual(['new', 'old'])
    expect(await ids('?limit=1')).toEqual(['new'])
    for (const query of ['?limit=0', '?limit=101', '?limit=', '?limit=all', '?limits=1'])
      expect((await tested.client.admin('GET', `/admin/v1/rejected-events${query}`)).status).toBe(400)
  })
})

test('without Kafka every call about logs is rejected and names the setting that is missing', async () => {
  for (const [method, path, body] of [
    ['GET', '/admin/v1/logs'],
    ['POST', '/admin/v1/logs/all/reset'],
    ['POST', '/admin/v1/logs/repartition'],
    ['POST', '/admin/v1/logs/audits'],
    ['POST', '/admin/v1/replays', { from: '2026-01-01T00:00:00Z' }],
  ] as const) {
    const answer = await tested.client.admin(method, path, body)
    expect([answer.status, answer.body.code, answer.body.message]).toEqual([409, 'NO_KAFKA', expect.stringContaining('KAFKA_BROKERS')])
  }
})

test('P7: a resubmitted event that is rejected again is kept once, with the time at which it was resubmitted', async () => {
  await tested.client.send([{ event_id: 'r', project_id: 'resent', metric: 'ai_tokens', value: '-1', timestamp: '2026-01-01T00:00:00Z' }])
  const listed = async () =>
    (await tested.client.admin('GET', '/admin/v1/rejected-events')).body.rejected_events.filter(({ event_id }: { event_id: string }) => event_id === 'r')
  const [first] = await listed()
  const { body } = await tested.client.admin('POST', '/admin/v1/rejected-events/resend', { ids: [first.id, first.id] })
  expect(body.events).toEqual([{ id: first.id, outcome: 'rejected', reason: 'invalid_value' }])
  expect(await listed()).toEqual([{ ...first, resent_at: expect.any(String) }])
})

test('adjustments, closings, rebuilds and resubmissions are in the audit log when they succeed, and not when they are rejected', async () => {
  const { client } = tested
  const { partnerId } = await client.createPartner('Noted')
  await client.billFrom(partnerId, '2026-02')
  const line = { id: 'a', for_month: '2026-02', metric: 'ai_tokens', value: '-1', reason: 'agreed with Someone' }
  const adjust = (changes: object) => client.admin('POST', `/admin/v1/statements/${partnerId}/adjustments`, { ...line, ...changes })
  expect([(await adjust({})).status, (await adjust({})).status, (await adjust({ value: '2' })).status]).toEqual([201, 201, 409])
  const plus = { id: 'b' }
  for (const value of ['2.50', '2.5', '2.500000000']) expect([value, (await adjust({ ...plus, value })).status]).toEqual([value, 201])
  for (const value of ['-2.5', '02.5', '+2.5']) expect([value, (await adjust({ ...plus, value })).status]).toEqual([value, value === '-2.5' ? 409 : 400])
  await untilSo(async () => (await client.closeMonth(partnerId, '2026-02')).status === 200)
  // One month is closed already, the other is not over.
  for (const month of ['2026-02', '2999-01']) await client.closeMonth(partnerId, month)
  const entriesOf = async (subject: string) => (await client.admin('GET', `/admin/v1/audit?order=oldest&subject=${subject}`)).body.entries
  const entries = await entriesOf(partnerId)
  expect(entries.map(({ action, actor }: { action: string; actor: string }) => [action, actor])).toEqual(
    ['partner.create', 'partner.billing-from', 'statement.adjust', 'statement.adjust', 'statement.close'].map((action) => [action, 'admin']),
  )
  const { sha256 } = (await client.admin('GET', `/admin/v1/statements/${partnerId}/2026-02`)).body.statement
  expect(entries[3].details.value).toBe('2.5')
  expect(entries.at(-1).details).toEqual({ month: '2026-02', closed_by: 'operator', lines: expect.any(String), sha256 })
  expect(JSON.stringify(entries)).not.toContain('Someone')
  expect((await client.admin('POST', '/admin/v1/rebuilds', { month: '2026-02' })).status).toBe(200)
  expect((await entriesOf('2026-02')).map(({ action }: { action: string }) => action)).toEqual(['rollup.rebuild'])
  await client.admin('POST', '/admin/v1/rejected-events/resend', { ids: ['http/999999'] })
  const [resent] = (await client.admin('GET', '/admin/v1/audit?action=rejected-events.resend&limit=1')).body.entries
  expect([resent.actor, resent.details]).toEqual(['admin', { events: '1' }])
})

describe('an audit', () => {
  test('an audit accepts a missing body, an empty body and an empty JSON object', async () => {
    const headers = { authorization: `Bearer ${tested.service.adminToken}` }
    for (const init of [
      { headers },
      { headers: { ...headers, 'content-type': 'application/json' } },
      { headers: { ...headers, 'content-type': 'application/json' }, body: '{}' },
    ])
      expect((await tested.client.call('POST', '/admin/v1/audits', init)).body).toMatchObject({ differences: [] })
  })

  test('an audit recounts only the requested days and project', async () => {
    const event = (project_id: string, day: string) => ({ event_id: day, project_id, metric: 'ai_tokens', value: 1, timestamp: `${day}T12:00:00Z` })
    await tested.client.send(['2026-01-01', '2026-01-02', '2026-01-03'].flatMap((day) => [event('a', day), event('b', day)]))
    const recounted = async (scope: object) => (await tested.client.audit(scope)).body.events_recounted
    expect(await recounted({})).toBe('6')
    expect(await recounted({ from: '2026-01-02' })).toBe('4')
    expect(await recounted({ to: '2026-01-02' })).toBe('4')
    expect(await recounted({ from: '2026-01-02', to: '2026-01-02', project_id: 'a' })).toBe('1')
    expect(await recounted({ project_id: "a' OR 1=1 --" })).toBe('0')
  })
})

const storedCredentials = defineQuery({
  name: 'test_stored_credentials',
  sql: `SELECT 'secret' AS kind, hash AS stored FROM partner_secrets_v1
        UNION ALL SELECT 'key', hash FROM ingest_keys_v1
        UNION ALL SELECT 'project', sealed_api_key FROM projects_v1
        UNION ALL SELECT name, sealed FROM sealed_keys_v1`,
  params: z.object({}),
  row: z.object({ kind: z.string(), stored: z.string() }),
})
