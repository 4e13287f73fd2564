import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credentials } from '../../support/clients/client.ts'
import { openConnection } from '../../support/clients/connection.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

interface Line {
  readonly msg: string
  readonly requestId: string
}

const lines: string[] = []
let tested: TestService
let partner: Credentials
beforeAll(async () => {
  tested = await startTestService({ LOG_LEVEL: 'info' }, (line) => lines.push(line))
  partner = await tested.client.createPartner('Logged')
  await tested.client.createIngestKey()
  await tested.client.registerProject('logged', partner.partnerId)
})
afterAll(() => tested.stop())

/** The line of the request, without what every log line has. */
async function lineOf(requestId: string | null): Promise<Record<string, unknown>> {
  const find = () => lines.map((line) => JSON.parse(line) as Line).find((line) => line.msg === 'request' && line.requestId === requestId)
  await untilSo(async () => find() !== undefined)
  const {
    level: _level,
    time: _time,
    pid: _pid,
    hostname: _hostname,
    msg: _msg,
    source: _source,
    requestId: _id,
    ...line
  } = { ...find() } as Record<string, unknown>
  return line
}

const call = async (path: string, headers: Record<string, string> = {}, method = 'GET', body?: string) =>
  lineOf((await tested.client.call(method, path, { headers, ...(body === undefined ? {} : { body }) })).headers.get('x-request-id'))

const COMMON = { ms: expect.any(Number), address: '127.0.0.1' }

describe('the access log', () => {
  test('a read of usage or a statement names the caller, and the partner, project and month that it read', async () => {
    const secret = { 'x-partnership-secret': partner.secret }
    const period = 'start_date=2026-01-01&end_date=2026-01-31'
    const { partnerId } = partner
    expect(await call(`/partnership/v1/${partnerId}/logged/usage?${period}`, secret)).toEqual({
      ...COMMON,
      method: 'GET',
      route: '/partnership/v1/:partnerId/:projectId/usage',
      status: 200,
      actor: `partner:${partnerId}`,
      ids: { partner: partnerId, project: 'logged' },
    })
    const { body: token } = await tested.client.admin('POST', '/admin/v1/tokens', { role: 'finance' })
    const finance = { authorization: `Bearer ${token.token}` }
    expect(await call(`/admin/v1/statements/${partnerId}`, finance)).toMatchObject({ actor: `admin:finance:${token.id}`, ids: { partner: partnerId } })
    expect(await call(`/admin/v1/projects?partner_id=${partnerId}`, { authorization: `Bearer ${tested.client.adminToken}` })).toMatchObject({
      actor: 'admin',
      ids: { partner: partnerId },
    })
  })

  test('a failure has its code, and a rejected credential the reason that the caller is not told', async () => {
    const usage = `/partnership/v1/${partner.partnerId}/logged/usage`
    const failures = [
      await call(usage),
      await call(usage, { 'x-partnership-secret': 'mls_wrong' }),
      await call(usage, { authorization: 'Bearer e30.e30.e30' }),
      await call('/admin/v1/partners', { authorization: `Bearer ${tested.client.ingestKey}` }),
    ]
    for (const line of failures) expect(line).toMatchObject({ ...COMMON, status: 401, actor: null, code: 'UNAUTHENTICATED' })
    expect(failures.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('no credential was sent'),
      expect.stringContaining('unknown, revoked, expired'),
      expect.stringContaining('forged, expired, or for another project or partner'),
      expect.stringContaining('unknown, revoked, expired'),
    ])
    const { body: token } = await tested.client.admin('POST', '/admin/v1/tokens', { role: 'finance' })
    expect(await call('/api/secrets', { authorization: `Bearer ${token.token}` })).toMatchObject({
      ...{ status: 403, code: 'ROLE_NOT_ALLOWED', actor: `admin:finance:${token.id}` },
    })
    expect(await call('/nowhere')).toMatchObject({ status: 404, route: 'unknown', code: 'NOT_FOUND' })
    expect(await call('/partnership/v1/%zz/usage')).toMatchObject({ status: 400, code: 'INVALID_REQUEST' })
    const malformed = openConnection(tested.service.url)
    malformed.write('GARBAGE\r\n\r\n')
    const { body } = await malformed.answer
    expect(await lineOf((body as { request_id: string }).request_id)).toMatchObject({ status: 400, route: 'unknown', address: '127.0.0.1' })
  })

  test('no line has a secret, a query or a body, wherever the caller put it', async () => {
    const marker = 'hunter2-hunter2'
    const admin = { authorization: `Bearer ${tested.client.adminToken}` }
    await call(`/partnership/v1/${marker}/${marker}/usage?x=${marker}`, { authorization: `Bearer ${marker}`, 'x-partnership-secret': marker, cookie: marker })
    await call(`/${marker}?${marker}`, { 'user-agent': marker, referer: marker, 'x-request-id': marker })
    await call(`/admin/v1/projects?search=${marker}&partner_id=${marker}${'x'.repeat(300)}`, admin)
    await call(`/admin/v1/projects?search=${marker}`, admin)
    await call('/api/secrets', { ...admin, 'content-type': 'application/json' }, 'POST', JSON.stringify({ key: 'PIN', value: marker }))
    await call('/api/secrets/PIN', admin)
    await call('/v1/events', { authorization: `Bearer ${tested.client.ingestKey}`, 'content-type': 'application/json' }, 'POST', `[{"event_id":"${marker}"}]`)
    const text = lines.join('')
    for (const secret of [marker, partner.secret, tested.client.ingestKey, tested.client.adminToken]) expect(text).not.toContain(secret)
  })

  test('successful calls of supervisors and Prometheus get no line', async () => {
    for (const path of ['/healthz', '/readyz', '/metrics']) await tested.client.call('GET', path)
    // Logged after the three.
    await call('/openapi.json')
    const routes = lines.map((line) => (JSON.parse(line) as { route?: string }).route)
    expect(routes.filter((route) => ['/healthz', '/readyz', '/metrics'].includes(route ?? ''))).toEqual([])
    expect(await call('/metrics', { via: '1.1 proxy' })).toMatchObject({ status: 401, route: '/metrics' })
  })
})
