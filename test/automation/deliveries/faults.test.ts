import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ExportAction } from '../../../contract/schedules.ts'
import { startObjectReceiver, type UploadFault } from '../../support/clients/object-receiver.ts'
import { faultOnce } from '../../support/engines/faulty-lane.ts'
import { Random } from '../../support/random.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { untilSo } from '../../support/until-so.ts'
import { DeliveredWorld, IN_MARCH } from '../../support/worlds/delivered-world.ts'

const SEED = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)

let world: DeliveredWorld
beforeAll(async () => {
  world = await DeliveredWorld.open()
})
afterAll(() => world.close())
afterEach(() => world.endTest())

const FOCUS: Omit<ExportAction, 'to'> = { what: 'focus', period: 'last-month', format: 'parquet' }

describe('a receiver that fails at random', () => {
  test('every byte arrives, the manifest last, and nothing is overwritten, whatever fails', async () => {
    const random = new Random(SEED)
    const faults: readonly UploadFault[] = ['500', '429', 'hang up in the middle', 'stored and silent', 'slow', 'none', 'none', 'none']
    const receiver = await startObjectReceiver(() => random.pick(faults))
    world.onEnd(receiver.stop)
    const deliveries = world.deliveries({ limits: { retryMsFirst: 1, retryMsMax: 3, timeoutMs: 250, attemptsMax: 3 } })
    const formats = ['csv', 'json', 'ndjson', 'parquet', 'xlsx'] as const
    let runs = 0
    for (const format of formats) {
      const action: ExportAction = { what: 'statements', period: 'last-month', format, to: { url: `${receiver.url}/{name}` } }
      for (let status = ''; status !== 'succeeded'; runs += 1) {
        status = (await world.deliver(action, { scheduleId: `faulty-${format}-${SEED}`, deliveries })).status
        expect(runs, `seed ${SEED}`).toBeLessThan(100)
      }
    }
    expect(receiver.problems, `seed ${SEED}`).toEqual([])
    const names = [...new Set(receiver.stored.map(({ name }) => name))]
    const manifests = names.filter((name) => name.endsWith('.manifest.json'))
    expect([manifests.length, names.length], `seed ${SEED}`).toEqual([formats.length, 2 * formats.length])
    for (const { name, bytes } of receiver.stored.filter((each) => manifests.includes(each.name))) {
      const { sha256, ...manifest } = JSON.parse(bytes.toString())
      const object = receiver.stored.find((each) => each.name === manifest.name)
      expect([
        name,
        createHash('sha256')
          .update(object?.bytes ?? '')
          .digest('hex'),
      ]).toEqual([name, sha256])
    }
  })

  test('each object has an id of its own, which is the same in each attempt, and the headers of the schedule', async () => {
    const faults: UploadFault[] = ['stored and silent', 'none', 'stored and silent']
    const receiver = await startObjectReceiver(() => faults.shift() ?? 'none')
    world.onEnd(receiver.stop)
    await world.deliver({ ...FOCUS, to: { url: receiver.url } }, { scheduleId: 'ids' })
    const ids = receiver.stored.map(({ name, headers }) => [name.endsWith('.json'), headers['webhook-id'], headers['x-own']])
    const [object, manifest] = [ids[0]?.[1], ids[2]?.[1]]
    expect(ids).toEqual([
      [false, object, 'yes'],
      [false, object, 'yes'],
      [true, manifest, 'yes'],
      [true, manifest, 'yes'],
    ])
    expect(object).not.toBe(manifest)
  })

  test('a receiver that hangs delays no other export', async () => {
    const stopping = new AbortController()
    const hanging = await startObjectReceiver(() => 'slow')
    world.onEnd(hanging.stop)
    const deliveries = world.deliveries({ limits: { timeoutMs: 600_000 } })
    const stuck = world.deliver({ ...FOCUS, to: { url: hanging.url } }, { scheduleId: 'hanging', deliveries, signal: stopping.signal })
    await untilSo(async () => hanging.uploads() === 1)
    const folder = world.newFolder()
    expect(await world.deliver({ ...FOCUS, to: { folder } }, { scheduleId: folder, deliveries })).toMatchObject({ status: 'succeeded' })
    expect(hanging.uploads()).toBe(1)
    stopping.abort()
    expect(await stuck).toEqual({ status: 'stopped' })
  })

  test('a delivery that is interrupted because the process stops is left to the next process', async () => {
    const stopping = new AbortController()
    const receiver = await startObjectReceiver(() => {
      stopping.abort()
      return 'slow'
    })
    world.onEnd(receiver.stop)
    const outcome = await world.deliver({ ...FOCUS, to: { url: receiver.url } }, { scheduleId: 'stopped', signal: stopping.signal })
    expect(outcome).toEqual({ status: 'stopped' })
  })
})

describe('crashes', () => {
  test.each(['not sent', 'response lost'] as const)('a record of a revision that is %s leads to one content for each revision', async (fault) => {
    const folder = world.newFolder()
    const action: ExportAction = { what: 'statements', period: 'this-month', format: 'json', partner: world.partner.partnerId, to: { folder } }
    for (const nth of [1, 2]) {
      const { clickhouse } = world.tested.service
      const faulty = faultOnce(clickhouse.work, nth === 1 ? 'deliveries_inbox_v1' : 'none', fault)
      await world.deliver(action, { scheduleId: folder, deliveries: world.deliveries({ clickhouse: { ...clickhouse, work: faulty.lane } }) }).catch(() => {})
      const event = { event_id: `${folder}-${nth}`, project_id: 'quoted', metric: 'ai_tokens', value: 1, timestamp: '2026-03-20T10:00:00Z' }
      await world.tested.client.send([event])
    }
    await world.deliver(action, { scheduleId: folder })
    const described = world
      .filesIn(folder)
      .filter((name) => name.endsWith('.manifest.json'))
      .map((name) => JSON.parse(world.contentOf(folder, name).toString()))
    const revisions = described.map(({ revision }) => revision)
    expect(new Set(revisions).size).toBe(revisions.length)
    expect(new Set(described.map(({ sha256 }) => sha256)).size).toBe(revisions.length)
  })

  test('a process that has lost the lease delivers no new revision', async () => {
    const folder = world.newFolder()
    const lost = world.lease
    await world.acquireLease()
    const deliveries = world.deliveries()
    const run = { scheduleId: folder, dueMs: IN_MARCH, kind: 'schedule' as const, runId: 'run', lease: lost, signal: new AbortController().signal }
    await expect(deliveries.deliver(run, { ...FOCUS, to: { folder } }, {})).rejects.toMatchObject({ fault: 'fenced' })
    expect(readdirSync(world.exportDir)).not.toContain(folder)
  })
})

describe('folders', () => {
  test('a link that leads out of EXPORT_DIR is rejected, and nothing is written behind it', async () => {
    const outside = makeTemporaryDirectory()
    world.onEnd(outside.remove)
    const folder = world.newFolder()
    mkdirSync(join(world.exportDir, folder))
    symlinkSync(outside.path, join(world.exportDir, folder, 'link'))
    symlinkSync(outside.path, join(world.exportDir, folder, 'focus'))
    for (const path of [`${folder}/link/deeper`, folder])
      expect(await world.deliver({ ...FOCUS, to: { folder: path } }, { scheduleId: path })).toMatchObject({
        status: 'failed',
        message: expect.stringMatching(/The folder leads out of EXPORT_DIR\.$/),
      })
    expect(readdirSync(outside.path)).toEqual([])
  })

  test('without EXPORT_DIR a folder fails the run; no temporary file is left', async () => {
    expect(
      await world.deliver({ ...FOCUS, to: { folder: 'f' } }, { scheduleId: 'unset', deliveries: world.deliveries({ exportDir: undefined }) }),
    ).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('EXPORT_DIR is not set'),
    })
    expect(readdirSync(world.exportDir).filter((name) => name.startsWith('.'))).toEqual([])
  })

  test('the temporary files of a killed process are removed after a day', async () => {
    const left = '.meterline-delivery-left'
    mkdirSync(join(world.exportDir, left))
    const deliverAt = (now: () => number) =>
      world.deliver({ ...FOCUS, to: { folder: 'after-a-kill' } }, { scheduleId: 'left', deliveries: world.deliveries({ now }) })
    await deliverAt(() => Date.now() + 3_600_000)
    expect(readdirSync(world.exportDir)).toContain(left)
    await deliverAt(() => Date.now() + 25 * 3_600_000)
    expect(readdirSync(world.exportDir)).not.toContain(left)
  })
})
