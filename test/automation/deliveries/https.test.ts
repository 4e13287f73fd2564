import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HttpSink } from '../../../automation/deliveries/http-sink.ts'
import { MeterlineClient } from '../../support/clients/client.ts'
import { startObjectReceiver } from '../../support/clients/object-receiver.ts'
import { copyMigratedDirectory } from '../../support/engines/migrated-directory.ts'
import { startServiceProcess } from '../../support/engines/service-process.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { makeTestCertificates } from '../../support/tls/test-certificates.ts'
import { untilSo } from '../../support/until-so.ts'
import { LOOPBACK } from '../../support/worlds/scheduled-world.ts'

const certificates = makeTestCertificates()
const directory = makeTemporaryDirectory()
let receiver: Awaited<ReturnType<typeof startObjectReceiver>>
beforeAll(async () => {
  receiver = await startObjectReceiver(() => 'none', certificates)
  copyMigratedDirectory(directory.path)
  writeFileSync(join(directory.path, 'ca.pem'), certificates.ca)
})
afterAll(async () => {
  await receiver.stop()
  directory.remove()
})

/** The service in a process of its own, because Node reads NODE_EXTRA_CA_CERTS when it starts. */
async function withService(use: (client: MeterlineClient) => Promise<void>): Promise<void> {
  const settings = { DATA_DIR: directory.path, CLOSE_GRACE_HOURS: '1000000', OUTGOING_ALLOW: '127.0.0.0/8,::1/128' }
  const service = await startServiceProcess({ ...settings, NODE_EXTRA_CA_CERTS: join(directory.path, 'ca.pem') })
  try {
    const client = new MeterlineClient(service.url, service.adminToken)
    await untilSo(async () => (await client.admin('GET', '/api/schedules')).status === 200)
    await use(client)
  } finally {
    await service.stop()
  }
}

const EXPORT = { what: 'usage', period: 'last-month', format: 'ndjson' }

async function runOnce(client: MeterlineClient, name: string): Promise<{ success: boolean; message: string }> {
  const action = { ...EXPORT, to: { url: `${receiver.url}/{name}` } }
  const { id } = (await client.admin('POST', '/api/schedules', { name, cronSchedule: '0 3 1 1 *', export: action })).body
  await client.admin('POST', `/api/schedules/${id}/run`)
  const logs = async () => (await client.admin('GET', `/api/schedules/${id}/logs`)).body.logs
  await untilSo(async () => (await logs()).length > 0)
  return (await logs())[0]
}

describe('deliveries over HTTPS', () => {
  test('a receiver whose certificate authority is not known gets nothing, and the reason says so', async () => {
    const limits = { attemptsMax: 2, retryMsFirst: 1, retryMsMax: 1 }
    const options = { url: receiver.url, headers: {}, runId: 'run', allowed: LOOPBACK, signal: new AbortController().signal, limits }
    const file = join(directory.path, 'ca.pem')
    const stored = await new HttpSink(options).put({ name: 'object', contentType: 'text/plain', file, bytes: certificates.ca.length })
    expect(stored).toMatchObject({ status: 'failed', reason: expect.stringMatching(/certificate|UNABLE_TO_VERIFY|SELF_SIGNED/i) })
    expect(receiver.uploads()).toBe(0)
  })

  test('with its authority in NODE_EXTRA_CA_CERTS, every byte arrives; a plain http URL is rejected', async () => {
    await withService(async (client) => {
      expect(await runOnce(client, 'known authority')).toMatchObject({ success: true, message: expect.stringMatching(/^Delivered usage\/month=/) })
      expect([receiver.problems, receiver.stored.map(({ name }) => name.split('.').at(-1))]).toEqual([[], ['ndjson', 'json']])
      const plain = { ...EXPORT, to: { url: receiver.url.replace('https:', 'http:') } }
      const rejected = await client.admin('POST', '/api/schedules', { name: 'plain', cronSchedule: '0 3 1 1 *', export: plain })
      expect([rejected.status, rejected.body.message]).toEqual([400, expect.stringContaining('body.export.to.url: must be an https URL')])
    })
  })
})
