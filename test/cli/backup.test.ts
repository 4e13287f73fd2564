import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Credentials, MeterlineClient, type TestEvent } from '../support/clients/client.ts'
import { type ServiceProcess, startServiceProcess } from '../support/engines/service-process.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { untilSo } from '../support/until-so.ts'

/** The procedure of docs/operating/backup.md for the embedded engine: stop, copy DATA_DIR, start from the copy. */
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

test('P1 P2 P3: a service started from a copy of DATA_DIR answers as the original did, and counts events once that are sent again', async () => {
  const first = await start(original)
  const partner = await first.createPartner('Backup')
  await first.registerProject('kept', partner.partnerId)
  const ingestKey = await first.createIngestKey()
  expect((await first.send([...BEFORE, event('a', 6)])).body).toMatchObject({ accepted: '2', rejected: [{ reason: 'conflict' }] })
  const answersAtCopy = await answers(first, partner)
  await stop()
  execFileSync('cp', ['-a', original, copy])

  // The copy does not contain what the original does from here on.
  const continued = await start(original)
  continued.ingestKey = ingestKey
  expect((await continued.send(AFTER)).body).toMatchObject({ accepted: '2', duplicates: '1' })
  const answersAfterMore = await answers(continued, partner)
  expect(answersAfterMore).not.toEqual(answersAtCopy)
  await stop()

  // The same credentials work: the admin token, the partner's secret and the ingest key.
  const restored = await start(copy)
  expect(restored.adminToken).toBe(first.adminToken)
  restored.ingestKey = ingestKey
  expect(await answers(restored, partner)).toEqual(answersAtCopy)
  expect((await restored.audit()).body).toMatchObject({ differences: [], events_recounted: '2' })
  expect((await restored.send(AFTER)).body).toMatchObject({ accepted: '2', duplicates: '1' })
  expect((await restored.send([...BEFORE, ...AFTER])).body).toMatchObject({ accepted: '0', duplicates: '5' })
  expect(await answers(restored, partner)).toEqual(answersAfterMore)
  expect((await restored.audit()).body).toMatchObject({ differences: [], events_recounted: '4' })
  await stop()
}, 240_000)

test('P1 P2 P3: a copy of DATA_DIR made while the process is paused under load has every acknowledged event, and no difference', async () => {
  const paused = join(directory.path, 'paused')
  const copyOfPaused = join(directory.path, 'copy-of-paused')
  const first = await start(paused)
  const service = running
  const partner = await first.createPartner('Paused')
  await first.registerProject('kept', partner.partnerId)
  const ingestKey = await first.createIngestKey()
  const acknowledged: TestEvent[] = []
  let copied = false
  const emitters = Array.from({ length: 4 }, async (_, emitter) => {
    for (let number = 0; !copied; number += 1) {
      const events = Array.from({ length: 20 }, (_event, index) => event(`${emitter}-${number}-${index}`, 1))
      if ((await first.send(events)).status === 200) acknowledged.push(...events)
    }
  })
  await untilSo(async () => acknowledged.length >= 400)
  service?.child.kill('SIGSTOP')
  const acknowledgedAtCopy = [...acknowledged]
  execFileSync('cp', ['-a', paused, copyOfPaused])
  service?.child.kill('SIGCONT')
  copied = true
  await Promise.all(emitters)
  await stop()

  const restored = await start(copyOfPaused)
  restored.ingestKey = ingestKey
  expect((await restored.send(acknowledgedAtCopy)).body).toMatchObject({ accepted: '0', duplicates: String(acknowledgedAtCopy.length) })
  expect((await restored.audit()).body).toMatchObject({ differences: [] })
  const rest = acknowledged.slice(acknowledgedAtCopy.length)
  await restored.send(rest)
  const usage = (await restored.projectUsage(partner, 'kept', '2026-03-01', '2026-03-31')).body
  expect(usage.summary.total_ai_tokens).toBe(String(acknowledged.length))
  await stop()
}, 240_000)

test('the copy keeps the file modes, so that no other user can read the keys', () => {
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
