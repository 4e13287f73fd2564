import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openPrivateKey, readSigningKeys } from '../../registry/keys/signing-keys.ts'
import { openClickHouse } from '../../sql/clickhouse.ts'
import { runHere } from '../support/clients/run-here.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { TEST_MASTER_KEY, TEST_MASTER_KEYS } from '../support/worlds/test-registry.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

let tested: TestService
let environment: Record<string, string>
const directory = makeTemporaryDirectory()
const logged: string[] = []
beforeAll(async () => {
  tested = await startTestService({ DATA_DIR: directory.path, MASTER_KEY: TEST_MASTER_KEY, LOG_LEVEL: 'trace' }, (line) => logged.push(line))
  environment = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: tested.service.adminToken }
})
afterAll(async () => {
  await tested.stop()
  directory.remove()
})

const json = async (args: readonly string[]) => JSON.parse((await runHere(['--json', ...args], environment)).stdout)

test('"token" prints only a token, which is limited to its role', async () => {
  const { code, stdout } = await runHere(['token', '--role', 'finance', '--expires-in', '300'], environment)
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+\n$/)])
  const withFinanceToken = { ...environment, METERLINE_ACCESS_TOKEN: stdout.trim() }
  expect((await runHere(['--json', 'close', '--month', '2020-01'], withFinanceToken)).code).toBe(0)
  expect(await runHere(['keys', 'rotate'], withFinanceToken)).toMatchObject({
    code: 5,
    stderr: expect.stringContaining('role operator; yours is finance'),
  })
  expect(await runHere(['token', '--role', 'finance'], withFinanceToken)).toMatchObject({
    code: 5,
    stderr: expect.stringContaining('Only the admin token'),
  })
  expect(await json(['token', '--role', 'operator'])).toEqual({
    token: expect.any(String),
    role: 'operator',
    expires_at: expect.any(String),
    id: expect.any(String),
  })
  expect(await runHere(['token', '--role', 'root'], environment)).toMatchObject({ code: 1, stderr: expect.stringContaining('role') })
  expect(await runHere(['token', '--role', 'finance', '--expires-in', '1h'], environment)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('"1h"'),
  })
})

test('"token list" and "token revoke" find a token by its id and end it; "token create" is the same as "token"', async () => {
  const { token, id, expires_at } = await json(['token', 'create', '--role', 'operator'])
  const own = { ...environment, METERLINE_ACCESS_TOKEN: token }
  expect((await runHere(['keys', 'list'], own)).code).toBe(0)
  expect((await runHere(['token', 'list'], environment)).stdout).toMatch(new RegExp(`${id} .*operator .*${expires_at}`))
  expect(await runHere(['token', 'revoke', id], own)).toMatchObject({ code: 5, stderr: expect.stringContaining('Only the admin token') })
  expect(await runHere(['token', 'revoke', id], environment)).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(`^${id} is revoked since \\S+; all processes reject it within one second`),
  })
  expect((await runHere(['keys', 'list'], own)).code).toBe(2)
  expect((await json(['token', 'list'])).tokens).toContainEqual(expect.objectContaining({ id, revoked_at: expect.any(String) }))
  expect(await runHere(['token', 'revoke', 'unknown'], environment)).toMatchObject({ code: 4, stderr: expect.stringContaining('meterline token list') })
})

test('"keys" lists and rotates signing keys; --withdraw invalidates the tokens that older keys signed', async () => {
  const { token } = await json(['token', '--role', 'operator'])
  const rotated = await json(['keys', 'rotate'])
  expect(rotated).toEqual({ kid: expect.stringMatching(/^meterline-key-/), signs_from: expect.any(String) })
  expect((await runHere(['keys', 'list'], environment)).stdout).toMatch(/signing.*next/s)
  expect((await runHere(['keys', 'list'], { ...environment, METERLINE_ACCESS_TOKEN: token })).code).toBe(0)
  expect((await runHere(['keys', 'rotate', '--withdraw'], environment)).stdout).toMatch(/^meterline-key-\S+ signs from now on/)
  const { signing_keys } = await json(['keys', 'list'])
  expect(signing_keys.map(({ state }: { state: string }) => state)).toEqual(['withdrawn', 'withdrawn', 'signing'])
  expect((await runHere(['keys', 'list'], { ...environment, METERLINE_ACCESS_TOKEN: token })).code).toBe(2)
})

/** Must be the last test: it stops the service to read its files. */
test('no private key and no token is in a file of the data directory or in the log', async () => {
  const { client } = tested
  const partner = await client.createPartner('P')
  const { id } = (await client.partner(partner, 'POST', '/sync-embedded-project', '{"project_name":"p"}')).body.project
  const code: string = (await client.partner(partner, 'POST', `/${id}/authorization`)).body.code
  const token: string = (await json(['token', '--role', 'operator'])).token
  const headers = { authorization: `Bearer ${code}` }
  expect((await client.call('GET', `/partnership/v1/${partner.partnerId}/${id}/usage`, { headers })).status).toBe(200)
  await client.call('GET', '/admin/v1/partners', { headers: { authorization: `Bearer ${token}x` } })
  await tested.stop()

  const { keys, needles } = await openedKeys()
  const files = readdirSync(directory.path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)))
  const found = (needle: Buffer | string) => files.some((file) => file.includes(needle)) || logged.join('').includes(needle.toString('latin1'))
  // The search finds the sealed keys, which must be in the files, so it would find the others too.
  for (const { sealedPrivateKey } of keys) expect(files.some((file) => file.includes(sealedPrivateKey.slice(200, 240)))).toBe(true)
  expect(logged.join('')).toContain('a signing key was created')
  for (const needle of [...needles, code.split('.')[2] ?? '', token.split('.')[2] ?? '']) expect(found(needle)).toBe(false)
})

/** The private half of each key in every encoding in which it could have been written. */
async function openedKeys() {
  const clickhouse = await openClickHouse({ engine: 'embedded', directory: join(directory.path, 'clickhouse') })
  const keys = await readSigningKeys(clickhouse)
  await clickhouse.close()
  const needles = keys.flatMap((key) => {
    const opened = openPrivateKey({ masterKeys: TEST_MASTER_KEYS }, key)
    const d = Buffer.from(opened.export({ format: 'jwk' }).d ?? '', 'base64url').subarray(30, 90)
    const pem = (opened.export({ format: 'pem', type: 'pkcs8' }) as string).split('\n').slice(10, 14)
    return [d, d.toString('base64').slice(4, -4), d.toString('base64url').slice(4, -4), d.toString('hex'), ...pem]
  })
  return { keys, needles }
}
