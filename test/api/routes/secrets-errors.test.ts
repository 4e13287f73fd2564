import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SECRETS_MAX } from '../../../contract/secrets.ts'
import { acquireLease } from '../../../sql/lease.ts'
import { row } from '../../../sql/tab-separated.ts'
import { SecretsClient, secretsError } from '../../support/clients/secrets-client.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const REQUESTS_MAX = 300

let tested: TestService
let secrets: SecretsClient
const logged: string[] = []
beforeAll(async () => {
  tested = await startTestService({ LOG_LEVEL: 'trace', RATE_LIMIT_PER_MINUTE: String(REQUESTS_MAX) }, (line) => logged.push(line))
  secrets = new SecretsClient(tested.client)
})
afterAll(() => tested.stop())

describe('errors of the Secrets API', () => {
  test.each([
    ['GET', '/api/secrets', undefined],
    ['POST', '/api/secrets', {}],
    ['GET', '/api/secrets/KEY', undefined],
    ['PUT', '/api/secrets/KEY', {}],
    ['DELETE', '/api/secrets/KEY', undefined],
  ])('%s %s answers 401 and 403 in the documented shape, and no answer may be cached', async (method, path, body) => {
    const { token } = (await secrets.admin('POST', '/admin/v1/tokens', { role: 'finance' })).body
    const unknown = await secrets.admin(method, path, body, 'wrong')
    expect([unknown.status, unknown.body]).toEqual([401, secretsError('UNAUTHORIZED', 401)])
    const finance = await secrets.admin(method, path, body, token)
    expect([finance.status, finance.body]).toEqual([403, secretsError('FORBIDDEN', 403)])
    for (const { headers } of [unknown, finance, await secrets.admin(method, path, body)])
      expect([headers.get('cache-control'), headers.get('x-request-id')]).toEqual(['no-store', expect.any(String)])
  })

  test('every invalid request to the Secrets API is answered in its documented shape', async () => {
    const json = { 'content-type': 'application/json' }
    const send = (method: string, path: string, headers: Record<string, string> = {}, body?: string) =>
      secrets.call(method, path, { headers: { authorization: `Bearer ${tested.client.adminToken}`, ...headers }, ...(body === undefined ? {} : { body }) })
    for (const [call, status, name] of [
      [send('POST', '/api/secrets', json, '{"key":"A","value":'), 400, 'INVALID_INPUT'],
      [send('POST', '/api/secrets', json, '{"key":"A","value":"x","__proto__":{}}'), 400, 'INVALID_INPUT'],
      [send('POST', '/api/secrets', json, 'null'), 400, 'INVALID_INPUT'],
      [send('POST', '/api/secrets', { 'content-type': 'text/xml' }, '<a/>'), 415, 'UNSUPPORTED_MEDIA_TYPE'],
      [send('PUT', '/api/secrets/A', { 'content-type': 'application/yaml' }, 'value: x'), 415, 'UNSUPPORTED_MEDIA_TYPE'],
      [send('POST', '/api/secrets', json, JSON.stringify({ key: 'A', value: 'x'.repeat(2 ** 21) })), 413, 'PAYLOAD_TOO_LARGE'],
      [send('GET', '/api/secrets/A/B'), 404, 'NOT_FOUND'],
      [send('PATCH', '/api/secrets/A', json, '{}'), 404, 'NOT_FOUND'],
      [send('DELETE', '/api/secrets'), 404, 'NOT_FOUND'],
      [send('GET', '/api/secrets/'), 404, 'NOT_FOUND'],
      [send('GET', '/api/secrets/%zz'), 400, 'INVALID_INPUT'],
      [send('GET', `/api/secrets/${'K'.repeat(257)}`), 404, 'NOT_FOUND'],
      [send('GET', '/%61pi/secrets/missing'), 404, 'NOT_FOUND'],
      [send('GET', '/api/secrets/missing?x=y'), 404, 'NOT_FOUND'],
    ] as const) {
      const answer = await call
      expect([answer.status, answer.body]).toEqual([status, secretsError(name, status)])
    }
    expect((await send('GET', '/api/secretsandmore')).body).toMatchObject({ success: false, code: 'NOT_FOUND' })
  })

  test('the OpenAPI document describes the errors of the Secrets API in their documented shape', async () => {
    const { paths, components } = (await secrets.call('GET', '/openapi.json')).body
    const operations = [...Object.values(paths['/api/secrets']), ...Object.values(paths['/api/secrets/{key}'])] as { responses: Record<string, object> }[]
    expect(operations).toHaveLength(5)
    for (const { responses } of operations) {
      expect(Object.keys(responses)).toEqual(expect.arrayContaining(['401', '403', '429', '500', '503']))
      for (const [status, answer] of Object.entries(responses)) {
        if (Number(status) >= 400) expect(answer).toMatchObject({ content: { 'application/json': { schema: { $ref: '#/components/schemas/SecretsError' } } } })
      }
    }
    expect(Object.keys(components.schemas.SecretsError.properties)).toEqual(['error', 'message', 'statusCode'])
    expect(paths['/api/secrets'].post.requestBody.content['application/json'].schema.required).toEqual(['key', 'value'])
  })

  test('the Secrets API answers 429 in its documented shape beyond the rate limit of a credential', async () => {
    const { token } = (await secrets.admin('POST', '/admin/v1/tokens', { role: 'operator' })).body
    const getSecret = () => secrets.admin('GET', '/api/secrets/A', undefined, token)
    // The first one proves the token; it counts for its network.
    expect((await getSecret()).status).toBe(404)
    const answers = await Promise.all(Array.from({ length: REQUESTS_MAX + 10 }, getSecret))
    const limited = answers.filter(({ status }) => status === 429)
    expect(limited).toHaveLength(10)
    expect(limited[0]?.body).toEqual(secretsError('RATE_LIMITED', 429))
  })
})

test('no secret can be created beyond the limit, which counts deleted secrets; existing secrets can still be changed', async () => {
  await secrets.create('FIRST')
  const { name: log, epoch, owner } = await acquireRegistryLease()
  const rows = Array.from({ length: SECRETS_MAX - 1 }, (_, number) => row([log, epoch, owner, `MANY_${number}`, 1, randomUUID(), '', '', 0, 0, 0, 0]))
  const columns = [
    'log',
    'epoch',
    'owner',
    'key',
    'revision',
    'secret_id',
    'sealed_data_key',
    'sealed_value',
    'is_active',
    'is_reserved',
    'created_ms',
    'updated_ms',
  ]
  await tested.service.clickhouse.control.insert({ table: 'secrets_inbox_v1', columns, text: rows.join('') })
  const full = await secrets.create('ONE_MORE')
  expect([full.status, full.body]).toEqual([409, secretsError('INVALID_INPUT', 409, expect.stringContaining(`The limit of ${SECRETS_MAX} secrets is reached`))])
  expect((await secrets.create('FIRST')).body.message).toContain('already exists')
  expect((await secrets.update('MANY_1', { value: 'used again', isActive: true })).status).toBe(200)
  expect((await secrets.read('MANY_1')).body.value).toBe('used again')
})

/** This test comes last, because the registry cannot be changed after it. */
test('when the store fails, an update answers the documented 500, other calls answer 503, and no value is logged', async () => {
  const before = await secrets.listed('FIRST')
  await acquireRegistryLease(true)
  // They run concurrently, because each of them retries for as long as a change may take.
  const [failed, ...others] = await Promise.all([secrets.update('FIRST', { value: 'other value' }), secrets.read('FIRST'), secrets.remove('FIRST')])
  expect([failed.status, failed.body]).toEqual([500, secretsError('INTERNAL_ERROR', 500, 'Failed to update secret: FIRST')])
  for (const answer of others) expect([answer.status, answer.body]).toEqual([503, secretsError('SERVICE_UNAVAILABLE', 503)])
  expect(await secrets.listed('FIRST')).toEqual(before)
  expect(logged.join('')).toContain('request failed')
  expect(logged.join('')).not.toMatch(/value of FIRST|other value/)
})

/** Acquires the lease as another process would. With `retire` no process can acquire it again. */
async function acquireRegistryLease(retire = false) {
  const outcome = await acquireLease(tested.service.clickhouse, 'registry', { retire })
  if (outcome.status !== 'acquired') throw new Error('The lease of the registry could not be acquired.')
  return outcome.lease
}
