import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Credentials, MeterlineClient, type TestEvent } from '../support/clients/client.ts'
import { type ServiceProcess, startServiceProcess } from '../support/engines/service-process.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

/** docs/operating/backup.md, the embedded engine: stop, copy DATA_DIR whole, start from the copy. */
const directory = makeTemporaryDirectory()
const original = join(directory.path, 'data')
const copy = join(directory.path, 'copy')
let running: ServiceProcess | undefined
beforeAll(() => {
  process.umask(0o022)
})
afterAll(async () => {
  await running?.kill()
  directory.remove()
})

async function start(dataDir: string): Promise<MeterlineClient> {
  running = await startServiceProcess({ DATA_DIR: dataDir })
  return new MeterlineClient(running.url, running.adminToken)
}

async function stop(): Promise<void> {
  expect(await running?.stop()).toBe(0)
  running = undefined
}

function event(event_id: string, value: number, day = '2026-03-01'): TestEvent {
  return { event_id, project_id: 'kept', metric: 'ai_tokens', value, timestamp: `${day}T12:00:00Z` }
}

const BEFORE = [event('a', 5), event('b', 7, '2026-03-02')]
const AFTER = [event('c', 11), event('d', 13, '2026-04-01'), event('a', 5)]

async function answers(client: MeterlineClient, partner: Credentials) {
  const { as_of, ...project } = (await client.projectUsage(partner, 'kept', '2026-03-01', '2026-04-30')).body
  const partnership = (await client.partnershipUsage(partner, '2026-03-01', '2026-04-30')).body
  expect(Date.parse(as_of)).not.toBeNaN()
  return { project, partnership: partnership.summary, rejected: (await client.admin('GET', '/admin/v1/rejected-events')).body }
}

test('P1 P2 P3: a service started from a copy answers as the original did when it was copied, and counts once what is sent again', async () => {
  const first = await start(original)
  const partner = await first.createPartner('Backup')
  await first.registerProject('kept', partner.partnerId)
  const ingestKey = await first.createIngestKey()
  expect((await first.send([...BEFORE, event('a', 6)])).body).toMatchObject({ accepted: '2', rejected: [{ reason: 'conflict' }] })
  const asItWas = await answers(first, partner)
  await stop()
  execFileSync('cp', ['-a', original, copy])

  // What the original did afterwards is not in the copy.
  const went = await start(original)
  went.ingestKey = ingestKey
  expect((await went.send(AFTER)).body).toMatchObject({ accepted: '2', duplicates: '1' })
  const asItWent = await answers(went, partner)
  expect(asItWent).not.toEqual(asItWas)
  await stop()

  // The same credentials: the admin token, the partner's secret, the ingest key.
  const restored = await start(copy)
  expect(restored.adminToken).toBe(first.adminToken)
  restored.ingestKey = ingestKey
  expect(await answers(restored, partner)).toEqual(asItWas)
  expect((await restored.audit()).body).toMatchObject({ differences: [], events_recounted: '2' })
  expect((await restored.send(AFTER)).body).toMatchObject({ accepted: '2', duplicates: '1' })
  expect((await restored.send([...BEFORE, ...AFTER])).body).toMatchObject({ accepted: '0', duplicates: '5' })
  expect(await answers(restored, partner)).toEqual(asItWent)
  expect((await restored.audit()).body).toMatchObject({ differences: [], events_recounted: '4' })
  await stop()
}, 240_000)

test('the copy keeps the modes: nobody else reads the keys', () => {
  const modes = (root: string) => readdirSync(root).map((name) => [name, (statSync(join(root, name)).mode & 0o777).toString(8)])
  for (const root of [original, copy]) {
    expect(modes(root)).toEqual(
      expect.arrayContaining([
        ['admin-token', '600'],
        ['master-key', '600'],
      ]),
    )
    expect(statSync(root).mode & 0o077, root).toBe(0)
  }
  expect(modes(copy)).toEqual(modes(original))
})
