import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { MeterlineClient } from '../support/clients/client.ts'
import { runMeterline, type ServiceProcess, startServiceProcess } from '../support/engines/service-process.ts'
import { filesWith } from '../support/files-with.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

const directory = makeTemporaryDirectory()
const DATA_DIR = directory.path
const KEY_FILE = join(DATA_DIR, 'master-key')
afterAll(() => directory.remove())

test('sealed data survives a restart, a wrong MASTER_KEY, a missing one and a change of it; a start that fails writes nothing', async () => {
  const { partner, apiKey } = await serve({}, async (client) => {
    const partner = await client.createPartner('Sealed')
    const { project } = (await client.partner(partner, 'POST', '/sync-embedded-project', '{"project_name":"sealed"}')).body
    for (const key of ['KEPT', 'DELETED']) await client.admin('POST', '/api/secrets', { key, value: `value of ${key}` })
    await client.admin('DELETE', '/api/secrets/DELETED')
    return { partner, apiKey: project.api_key as string }
  })
  const reads = async (client: MeterlineClient) => {
    expect((await client.admin('GET', '/api/secrets/KEPT')).body).toEqual({ key: 'KEPT', value: 'value of KEPT' })
    expect((await client.admin('GET', '/api/secrets/DELETED')).status).toBe(404)
    const synced = await client.partner(partner, 'POST', '/sync-embedded-project', '{"project_name":"sealed"}')
    expect(synced.body.project.api_key).toBe(apiKey)
  }
  const [oldKey, newKey] = [readFileSync(KEY_FILE, 'utf8').trim(), randomBytes(32).toString('base64')]

  await expectStartFails({ MASTER_KEY: newKey }, 'error: MASTER_KEY is not the key this database was sealed with.')
  renameSync(KEY_FILE, `${KEY_FILE}.away`)
  await expectStartFails({}, `error: ${KEY_FILE} is missing`)
  expect(existsSync(KEY_FILE), 'no new key is created').toBe(false)
  renameSync(`${KEY_FILE}.away`, KEY_FILE)
  await serve({}, reads)

  await serve({ MASTER_KEY: newKey, MASTER_KEY_PREVIOUS: oldKey }, async (client) => {
    await reads(client)
    const service = { METERLINE_URL: client.url, METERLINE_ACCESS_TOKEN: client.adminToken }
    const rewrapped = await runMeterline(['keys', 'rewrap'], service)
    expect(rewrapped).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('2 secret data keys re-encrypted with MASTER_KEY') })
    expect(rewrapped.stdout).toMatch(/MASTER_KEY, which is the key [0-9a-f]{8}\. When all processes have it, remove MASTER_KEY_PREVIOUS \([0-9a-f]{8}\)\./)
    const again = await runMeterline(['--json', 'keys', 'rewrap'], service)
    expect(JSON.parse(again.stdout)).toEqual({
      rewrapped: { pepper: 0, project_api_keys: 0, secret_data_keys: 0, signing_keys: 0, webhook_secrets: 0 },
      left: 0,
      master_key: expect.stringMatching(/^[0-9a-f]{8}$/),
      previous_key: expect.stringMatching(/^[0-9a-f]{8}$/),
    })
    expect((await runMeterline(['keys', 'rewrap'], service)).stdout).toContain('There was nothing to do. Remove MASTER_KEY_PREVIOUS (')
    expect((await runMeterline(['keys', 'rewrap'], { ...service, METERLINE_ACCESS_TOKEN: 'wrong' })).code).toBe(2)
    await reads(client)
  })
  await expectStartFails({}, 'error: MASTER_KEY is not the key this database was sealed with.')
  await serve({ MASTER_KEY: newKey }, reads)

  expect(filesWith(DATA_DIR, 'value of KEPT', 'value of DELETED', apiKey, newKey)).toEqual([])
  expect(filesWith(DATA_DIR, oldKey)).toEqual(['master-key'])
}, 240_000)

/** Runs `work` against a service and stops it afterwards. */
async function serve<T>(environment: Record<string, string>, work: (client: MeterlineClient) => Promise<T>): Promise<T> {
  const service: ServiceProcess = await startServiceProcess({ DATA_DIR, LOG_LEVEL: 'info', ...environment })
  try {
    return await work(new MeterlineClient(service.url, service.adminToken))
  } finally {
    expect(await service.stop()).toBe(0)
  }
}

async function expectStartFails(environment: Record<string, string>, message: string): Promise<void> {
  const { code, stderr } = await runMeterline(['start'], { DATA_DIR, PORT: '0', ...environment })
  expect([code, stderr]).toEqual([1, expect.stringContaining(message)])
  expect(stderr).not.toContain('    at ')
}
