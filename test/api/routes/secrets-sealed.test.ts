import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { masterKeyFrom, unseal } from '../../../registry/keys/sealing.ts'
import { acquireLease } from '../../../sql/lease.ts'
import { defineQuery } from '../../../sql/query.ts'
import { row } from '../../../sql/tab-separated.ts'
import { SecretsClient, secretsError } from '../../support/clients/secrets-client.ts'
import { filesWith } from '../../support/files-with.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let secrets: SecretsClient
const logged: string[] = []
beforeAll(async () => {
  tested = await startTestService({ LOG_LEVEL: 'trace' }, (line) => logged.push(line))
  secrets = new SecretsClient(tested.client)
})
afterAll(() => tested.stop())

const VALUE = 'v4lue-that-n0body-may-f1nd'
const NEWER = 'newer-v4lue-that-n0body-may-f1nd'

test('the value and the data key of a secret are in no file, log line, error or audit entry', async () => {
  await secrets.create('HIDDEN', VALUE)
  await secrets.update('HIDDEN', { value: NEWER })
  await secrets.read('HIDDEN')
  const headers = { authorization: `Bearer ${tested.client.adminToken}`, 'content-type': 'application/json' }
  const rejected = [
    await secrets.create('HIDDEN', VALUE),
    await secrets.create('hidden', VALUE),
    await secrets.create('HIDDEN_2', VALUE, { colour: VALUE }),
    await secrets.update('HIDDEN', { value: `${VALUE}\ud800` }),
    await secrets.update('HIDDEN', { isActive: VALUE, expiresAt: VALUE }),
    await secrets.update('NOWHERE', { value: VALUE }),
    await secrets.call('POST', '/api/secrets', { headers, body: `{"key":"HIDDEN","value":"${VALUE}` }),
    await secrets.call('POST', '/api/secrets', { headers, body: `{"key":"HIDDEN","value":${VALUE}}` }),
    await secrets.call('PUT', '/api/secrets/HIDDEN', { headers: { ...headers, 'content-type': 'text/plain' }, body: VALUE }),
  ]
  for (const { status, text } of rejected) expect([status >= 400, text]).toEqual([true, expect.not.stringContaining('v4lue')])
  const rows = await storedRows('HIDDEN')
  const dataKeys = rows.map(dataKeyOf)
  expect(new Set(dataKeys.map((key) => key.toString('hex'))).size, 'a new value gets a new data key').toBe(2)
  const texts = ['v4lue', ...dataKeys.flatMap((key) => [key.toString('hex'), key.toString('base64'), key.toString('base64url')])]
  expect(filesWith(tested.dataDir, rows[0]?.sealed_value ?? ''), 'the search finds text that is stored').not.toEqual([])
  expect(filesWith(tested.dataDir, ...texts, ...dataKeys)).toEqual([])
  const output = [...logged, JSON.stringify(await audited(''))].join('')
  for (const text of texts) expect(output).not.toContain(text)
})

test('each read and each change of a secret is in the audit log; lists, rejected calls and calls without effect are not', async () => {
  await secrets.create('AUDITED', VALUE, { isReserved: true })
  const { id } = await secrets.listed('AUDITED')
  await secrets.read('AUDITED')
  await secrets.update('AUDITED', { value: NEWER, isReserved: false })
  await secrets.update('AUDITED', { isReserved: false })
  await secrets.create('AUDITED', VALUE)
  for (const _ of ['deletes', 'changes nothing']) await secrets.remove('AUDITED')
  await secrets.read('AUDITED')
  expect((await audited('AUDITED')).map(({ actor, action, details }) => [actor, action, JSON.parse(details)])).toEqual([
    ['admin', 'secret.create', { secret_id: id, is_reserved: true, expires_ms: null }],
    ['admin', 'secret.read', { secret_id: id }],
    ['admin', 'secret.update', { secret_id: id, changed: ['value', 'is_reserved'], is_active: true, is_reserved: false, expires_ms: null }],
    ['admin', 'secret.delete', { secret_id: id }],
  ])
})

test('encrypted data that is moved to another secret or revision cannot be decrypted', async () => {
  await secrets.create('MOVED', VALUE)
  await secrets.update('MOVED', { value: NEWER })
  await secrets.create('TARGET', 'own')
  const [older, newer] = await storedRows('MOVED')
  const [target] = await storedRows('TARGET')
  if (older === undefined || newer === undefined || target === undefined) throw new Error('The secrets are not stored.')
  const moves: [key: string, moved: StoredRow][] = [
    ['TARGET', newer],
    ['TARGET', { ...newer, id: target.id }],
    ['TARGET', { ...target, sealed_value: newer.sealed_value }],
    ['TARGET', { ...target, sealed_data_key: newer.sealed_data_key }],
    ['MOVED', { ...newer, id: target.id }],
    ['MOVED', { ...newer, sealed_value: older.sealed_value }],
  ]
  for (const [number, [key, moved]] of moves.entries()) {
    await putRow(key, { ...moved, revision: 10 + number })
    const answer = await secrets.read(key)
    expect([answer.status, answer.body]).toEqual([500, secretsError('INTERNAL_ERROR', 500, expect.not.stringContaining('v4lue'))])
  }
  await putRow('MOVED', { ...newer, revision: 20 })
  expect((await secrets.read('MOVED')).body.value).toBe(NEWER)
  expect(logged.join('')).not.toContain('v4lue')
})

type StoredRow = z.output<typeof StoredRow>

const StoredRow = z.object({ id: z.string(), key: z.string(), revision: z.coerce.number(), sealed_data_key: z.string(), sealed_value: z.string() })

function storedRows(key: string): Promise<StoredRow[]> {
  return tested.service.clickhouse.reads.query(secretRows, { key })
}

function dataKeyOf({ id, key, sealed_data_key }: StoredRow): Buffer {
  const current = masterKeyFrom(readFileSync(join(tested.dataDir, 'master-key'), 'utf8'))
  if (current === undefined) throw new Error('There is no master key.')
  return unseal({ current, previous: undefined }, sealed_data_key, JSON.stringify(['secret data key', id, key]))
}

async function putRow(key: string, { id, revision, sealed_data_key, sealed_value }: StoredRow): Promise<void> {
  const outcome = await acquireLease(tested.service.clickhouse, 'registry')
  if (outcome.status !== 'acquired') throw new Error('The lease of the registry could not be acquired.')
  const { name: log, epoch, owner } = outcome.lease
  await tested.service.clickhouse.control.insert({
    table: 'secrets_inbox_v1',
    columns: [
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
    ],
    text: row([log, epoch, owner, key, revision, id, sealed_data_key, sealed_value, 1, 0, 0, 0]),
  })
}

function audited(subject: string): Promise<{ action: string; actor: string; details: string }[]> {
  return tested.service.clickhouse.reads.query(auditedOf, { subject })
}

const secretRows = defineQuery({
  name: 'test_secret_rows',
  sql: 'SELECT secret_id AS id, key, revision, sealed_data_key, sealed_value FROM secrets_v1 WHERE key = {key: String} ORDER BY revision',
  params: z.object({ key: z.string() }),
  row: StoredRow,
})

const auditedOf = defineQuery({
  name: 'test_audited_secrets',
  sql: "SELECT action, actor, details FROM audit_log_v1 WHERE {subject: String} = '' OR subject = {subject: String} ORDER BY seq",
  params: z.object({ subject: z.string() }),
  row: z.object({ action: z.string(), actor: z.string(), details: z.string() }),
})
