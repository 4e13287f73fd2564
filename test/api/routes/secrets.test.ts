import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SecretsClient, secretsError } from '../../support/clients/secrets-client.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let secrets: SecretsClient
beforeAll(async () => {
  tested = await startTestService()
  secrets = new SecretsClient(tested.client)
})
afterAll(() => tested.stop())

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/

describe('the documented Secrets API', () => {
  test('a secret can be created, listed without its value, read, changed, deactivated and deleted as documented', async () => {
    const created = await secrets.admin('POST', '/api/secrets', { key: 'STRIPE_API_KEY', value: 'sk_live_...', isReserved: false })
    const { id } = created.body
    expect([created.status, created.body]).toEqual([
      201,
      { success: true, message: 'Secret STRIPE_API_KEY has been created successfully', id: expect.stringMatching(UUID) },
    ])
    const first = await secrets.listed('STRIPE_API_KEY')
    const { createdAt } = first
    expect(createdAt).toMatch(INSTANT)
    expect(first).toEqual({ id, key: 'STRIPE_API_KEY', isActive: true, isReserved: false, createdAt, updatedAt: createdAt, expiresAt: null })
    expect(Object.keys(first)).toEqual(['id', 'key', 'isActive', 'isReserved', 'createdAt', 'updatedAt', 'expiresAt'])
    expect((await secrets.read('STRIPE_API_KEY')).text).toBe('{"key":"STRIPE_API_KEY","value":"sk_live_..."}')

    const updated = { success: true, message: 'Secret STRIPE_API_KEY has been updated successfully' }
    const changed = await secrets.update('STRIPE_API_KEY', { value: 'sk_live_new_key...' })
    expect([changed.status, changed.body]).toEqual([200, updated])
    expect((await secrets.read('STRIPE_API_KEY')).body.value).toBe('sk_live_new_key...')
    const second = await secrets.listed('STRIPE_API_KEY')
    expect(second).toEqual({ ...first, updatedAt: expect.stringMatching(INSTANT) })
    expect(Date.parse(second.updatedAt)).toBeGreaterThan(Date.parse(first.updatedAt))

    expect((await secrets.update('STRIPE_API_KEY', { isActive: false })).body).toEqual(updated)
    expect((await secrets.read('STRIPE_API_KEY')).status).toBe(404)
    expect((await secrets.update('STRIPE_API_KEY', { isActive: true })).body).toEqual(updated)
    expect((await secrets.read('STRIPE_API_KEY')).body.value).toBe('sk_live_new_key...')

    const deleted = await secrets.remove('STRIPE_API_KEY')
    expect([deleted.status, deleted.body]).toEqual([200, { success: true, message: 'Secret STRIPE_API_KEY has been deleted successfully' }])
    expect((await secrets.listed('STRIPE_API_KEY')).isActive).toBe(false)
    expect((await secrets.read('STRIPE_API_KEY')).body).toEqual(secretsError('NOT_FOUND', 404, 'Secret not found: STRIPE_API_KEY'))
  })

  test('the Secrets API answers the documented errors', async () => {
    await secrets.create('TWICE')
    await secrets.create('OPENAI_API_KEY', 'x', { isReserved: true })
    const format = 'Invalid key format. Use uppercase letters, numbers, and underscores only (e.g., STRIPE_API_KEY)'
    for (const [call, name, status, message] of [
      [secrets.admin('POST', '/api/secrets', {}), 'INVALID_INPUT', 400, 'Both key and value are required'],
      [secrets.create('stripe-api-key'), 'INVALID_INPUT', 400, format],
      [secrets.create('TWICE'), 'INVALID_INPUT', 409, 'Secret already exists: TWICE'],
      [secrets.read('INVALID_KEY'), 'NOT_FOUND', 404, 'Secret not found: INVALID_KEY'],
      [secrets.update('INVALID_KEY', { isActive: true }), 'NOT_FOUND', 404, 'Secret not found: INVALID_KEY'],
      [secrets.remove('INVALID_KEY'), 'NOT_FOUND', 404, 'Secret not found: INVALID_KEY'],
      [secrets.remove('OPENAI_API_KEY'), 'FORBIDDEN', 403, 'Cannot delete reserved secret: OPENAI_API_KEY'],
    ] as const) {
      const answer = await call
      expect([answer.status, answer.body]).toEqual([status, secretsError(name, status, message)])
    }
    expect((await secrets.read('OPENAI_API_KEY')).status).toBe(200)
  })
})

describe('the body of a secret', () => {
  test('a secret needs a key and a value that are not empty', async () => {
    const [key, value] = ['K', 'v']
    for (const body of [undefined, {}, { key }, { value }, { key: '', value }, { key, value: '' }, { key: null, value }, { key, value: null }]) {
      const { status, body: answer } = await secrets.admin('POST', '/api/secrets', body)
      expect([status, answer]).toEqual([400, secretsError('INVALID_INPUT', 400, 'Both key and value are required')])
    }
  })

  test('an invalid body of a secret is rejected with the name of the field, and changes nothing', async () => {
    await secrets.create('STEADY', 'as it was')
    const before = await secrets.list()
    const create = (more: object) => secrets.create('A', 'x', more)
    const update = (body: unknown) => secrets.update('STEADY', body)
    for (const [call, named] of [
      [secrets.create('A'.repeat(129)), 'body.key: '],
      [secrets.create('ÄÖ'), 'Invalid key format'],
      [secrets.create('A B'), 'Invalid key format'],
      [secrets.create('A\n'), 'Invalid key format'],
      [secrets.admin('POST', '/api/secrets', ['A']), 'body: '],
      [create({ key: 7 }), 'body.key: '],
      [create({ value: { a: 1 } }), 'body.value: '],
      [create({ value: 'x'.repeat(65_537) }), 'body.value: must have at most 65536 bytes'],
      [create({ value: '€'.repeat(21_846) }), 'body.value: must have at most 65536 bytes'],
      [create({ value: 'half \ud800' }), 'body.value: must not contain half of a surrogate pair'],
      [create({ isReserved: 'yes' }), 'body.isReserved: '],
      [create({ isActive: true }), 'isActive'],
      [create({ colour: 'red' }), 'colour'],
      [create({ expiresAt: null }), 'body.expiresAt: '],
      [create({ expiresAt: new Date(Date.now() - 1).toISOString() }), 'body.expiresAt: must be in the future'],
      [create({ expiresAt: '2099-01-01' }), 'body.expiresAt: must be an ISO 8601 date-time with a zone'],
      [create({ expiresAt: '2099-01-01T00:00:00' }), 'body.expiresAt: must be'],
      [create({ expiresAt: '2099-02-30T00:00:00Z' }), 'body.expiresAt: must be'],
      [create({ expiresAt: '9999-12-31T00:00:00Z' }), 'body.expiresAt: must be'],
      [update({}), 'Nothing to change'],
      [update(undefined), 'body: '],
      [update({ value: '' }), 'body.value: '],
      [update({ value: null }), 'body.value: '],
      [update({ isActive: 'no' }), 'body.isActive: '],
      [update({ key: 'OTHER' }), 'key'],
      [update({ expiresAt: 'soon' }), 'body.expiresAt: must be'],
      [update({ isActive: false, expiresAt: '1999-12-31T23:59:59Z' }), 'body.expiresAt: must be'],
    ] as const) {
      const { status, body } = await call
      expect([status, body]).toEqual([400, secretsError('INVALID_INPUT', 400, expect.stringContaining(named))])
    }
    expect(await secrets.list()).toEqual(before)
    expect((await secrets.read('STEADY')).body.value).toBe('as it was')
  })

  test('a value is returned as it was sent: with control characters, of maximum length, with a special meaning to the store', async () => {
    const pem = '-----BEGIN PRIVATE KEY-----\r\nMIIE\tv\u0000\u0008\u007f\n-----END PRIVATE KEY-----\n'
    const strange = ['\\N', 'NULL', "it's", '{key: String}', '\ufeff漢字 👩‍👩‍👧 \u202e', ' ', '__proto__']
    for (const [number, value] of [pem, ...strange, '\u0000'.repeat(65_536), '€'.repeat(21_845)].entries()) {
      expect((await secrets.create(`STORED_${number}`, value)).status).toBe(201)
      expect((await secrets.read(`STORED_${number}`)).body).toEqual({ key: `STORED_${number}`, value })
      await secrets.update(`STORED_${number}`, { value: `${value.slice(3)}x` })
      expect((await secrets.read(`STORED_${number}`)).body.value).toBe(`${value.slice(3)}x`)
    }
    expect((await secrets.create('K'.repeat(128))).status).toBe(201)
    expect((await secrets.read('K'.repeat(128))).status).toBe(200)
  })

  test('a path that is not a valid key returns 404', async () => {
    for (const path of ['stripe', 'A%20B', "A'%20OR%201=1", '%F0%9F%94%91', '__proto__', 'K'.repeat(129)]) {
      const { status, body } = await secrets.read(path)
      expect([status, body]).toEqual([404, secretsError('NOT_FOUND', 404, `Secret not found: ${decodeURIComponent(path)}`)])
    }
  })
})

describe('the life cycle of a secret', () => {
  test('of 24 concurrent calls for one key, one creates the secret', async () => {
    const answers = await Promise.all(Array.from({ length: 24 }, (_, number) => secrets.create('RACED', `racer ${number}`)))
    const winner = answers.findIndex(({ status }) => status === 201)
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 23 }, () => 409)])
    expect((await secrets.read('RACED')).body.value).toBe(`racer ${winner}`)
    expect((await secrets.listed('RACED')).id).toBe(answers[winner]?.body.id)
  })

  test('creating a deleted secret is rejected with the advice how to restore it; the restored secret keeps its id', async () => {
    const { id } = (await secrets.create('BACK', 'old')).body
    await secrets.remove('BACK')
    expect((await secrets.remove('BACK')).status).toBe(200)
    const again = await secrets.create('BACK', 'new')
    const message = 'Secret already exists: BACK. It is inactive: PUT /api/secrets/BACK with "isActive": true restores it'
    expect([again.status, again.body]).toEqual([409, secretsError('INVALID_INPUT', 409, message)])
    expect((await secrets.update('BACK', { isActive: true, value: 'new' })).status).toBe(200)
    expect((await secrets.read('BACK')).body.value).toBe('new')
    expect((await secrets.listed('BACK')).id).toBe(id)
  })

  test('an expired secret returns 404 but stays listed; removing its expiry restores it', async () => {
    await secrets.create('ENDS', 'for a while', { expiresAt: '2098-12-31T23:30:00.250-01:00' })
    expect((await secrets.listed('ENDS')).expiresAt).toBe('2099-01-01T00:30:00.250Z')
    expect((await secrets.read('ENDS')).status).toBe(200)
    await secrets.update('ENDS', { expiresAt: new Date(Date.now() - 1).toISOString() })
    expect((await secrets.read('ENDS')).body).toEqual(secretsError('NOT_FOUND', 404, 'Secret not found: ENDS'))
    expect(await secrets.listed('ENDS')).toMatchObject({ isActive: true, expiresAt: expect.stringMatching(INSTANT) })
    await secrets.update('ENDS', { expiresAt: null })
    expect((await secrets.listed('ENDS')).expiresAt).toBeNull()
    expect((await secrets.read('ENDS')).status).toBe(200)
  })

  test('a reserved secret can be changed and deactivated, and can be deleted once it is not reserved', async () => {
    await secrets.create('RESERVED', 'x', { isReserved: true })
    expect((await secrets.update('RESERVED', { value: 'y', isActive: false })).status).toBe(200)
    expect((await secrets.remove('RESERVED')).status).toBe(403)
    expect((await secrets.update('RESERVED', { isReserved: false })).status).toBe(200)
    expect((await secrets.remove('RESERVED')).status).toBe(200)
  })

  test('secrets are listed newest first', async () => {
    await secrets.create('OLDER', 'x')
    await secrets.create('NEWER', 'x')
    expect((await secrets.list()).slice(0, 2).map(({ key }) => key)).toEqual(['NEWER', 'OLDER'])
  })

  test('an update that changes nothing leaves the list of secrets as it was', async () => {
    await secrets.create('UNCHANGED', 'x')
    const before = await secrets.list()
    expect((await secrets.update('UNCHANGED', { isActive: true, isReserved: false, expiresAt: null })).status).toBe(200)
    expect(await secrets.list()).toEqual(before)
  })
})
