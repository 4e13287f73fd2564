import { createHash } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ExportAction } from '../../../contract/schedules.ts'
import { startObjectReceiver } from '../../support/clients/object-receiver.ts'
import { DeliveredWorld, IN_MARCH } from '../../support/worlds/delivered-world.ts'

let world: DeliveredWorld
beforeAll(async () => {
  world = await DeliveredWorld.open()
})
afterAll(() => world.close())
afterEach(() => world.endTest())

const FOCUS: Omit<ExportAction, 'to'> = { what: 'focus', period: 'last-month', format: 'parquet' }
const succeeded = { status: 'succeeded' }

describe('months', () => {
  test('a closed month is delivered again byte by byte under the same names, and its name has the hash of its bytes', async () => {
    const folder = world.newFolder()
    const action: ExportAction = { ...FOCUS, to: { folder } }
    expect(await world.deliver(action, { scheduleId: folder })).toMatchObject({
      status: 'succeeded',
      message: expect.stringMatching(/^Delivered focus\/month=2026-02\/all-.*\(revision 1\)\.$/),
    })
    const names = world.filesIn(folder)
    expect(names).toEqual([
      expect.stringMatching(/^focus\/month=2026-02\/all-[0-9a-f]{64}\.parquet$/),
      expect.stringMatching(/^focus\/month=2026-02\/all-[0-9a-f]{64}\.r1\.manifest\.json$/),
    ])
    const [name = '', manifestName = ''] = names
    const before = names.map((each) => world.contentOf(folder, each))
    const bytes = world.contentOf(folder, name)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const manifest = JSON.parse(world.contentOf(folder, manifestName).toString())
    expect(name).toContain(sha256)
    expect(manifest).toMatchObject({ name, revision: 1, sha256, bytes: bytes.length, month: '2026-02', status: 'closed', format: 'focus-parquet' })
    expect(manifest.totals).toContainEqual(expect.objectContaining({ line: 'usage', metric: 'ai_tokens', value: '8' }))
    expect(await world.deliver(action, { scheduleId: folder, dueMs: IN_MARCH + 1_000 })).toMatchObject(succeeded)
    expect([world.filesIn(folder), names.map((each) => world.contentOf(folder, each))]).toEqual([names, before])
  })

  test('an open month gets a new revision when its usage changes, and nothing is overwritten', async () => {
    const folder = world.newFolder()
    const action: ExportAction = { what: 'statements', period: 'this-month', format: 'csv', partner: world.partner.partnerId, to: { folder } }
    await world.deliver(action, { scheduleId: folder })
    await world.deliver(action, { scheduleId: folder })
    const first = world.filesIn(folder)
    expect(first).toHaveLength(2)
    const before = first.map((name) => world.contentOf(folder, name))
    await world.tested.client.send([{ event_id: 'late', project_id: 'quoted', metric: 'ai_tokens', value: 64, timestamp: '2026-03-09T10:00:00Z' }])
    expect(await world.deliver(action, { scheduleId: folder })).toMatchObject({ message: expect.stringContaining('(revision 2)') })
    expect(world.filesIn(folder)).toHaveLength(4)
    expect(first.map((name) => world.contentOf(folder, name))).toEqual(before)
    const manifests = world.filesIn(folder).filter((name) => name.endsWith('.manifest.json'))
    const described = manifests.map((name) => JSON.parse(world.contentOf(folder, name).toString()))
    expect(described.map(({ revision, status }) => [revision, status]).sort()).toEqual([
      [1, 'open'],
      [2, 'open'],
    ])
  })

  test('a month with byte-days has columns and a name of its own, and its manifest says so', async () => {
    const folder = world.newFolder()
    const action: ExportAction = { what: 'statements', period: 'last-month', format: 'ndjson', include: 'byte_days', to: { folder } }
    expect(await world.deliver(action, { scheduleId: folder })).toMatchObject(succeeded)
    const [name = '', manifestName = ''] = world.filesIn(folder)
    expect(name).toMatch(/^statements-byte-days\/month=2026-02\/all-/)
    expect(JSON.parse(world.contentOf(folder, manifestName).toString())).toMatchObject({ name, include: 'byte_days' })
    const [line] = world.contentOf(folder, name).toString().split('\n')
    expect(JSON.parse(line ?? '')).toHaveProperty('byte_days')
  })

  test('a month without a statement fails, with a message that names it', async () => {
    const action: ExportAction = { ...FOCUS, to: { folder: world.newFolder() } }
    expect(await world.deliver(action, { scheduleId: 'early', dueMs: Date.UTC(2025, 0, 2) })).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('2024-12'),
    })
  })
})

describe('days', () => {
  const daily = (folder: string): ExportAction => ({ what: 'usage', period: 'yesterday', format: 'ndjson', partner: world.partner.partnerId, to: { folder } })
  const manifestsIn = (folder: string) =>
    world
      .filesIn(folder)
      .filter((name) => name.endsWith('.manifest.json'))
      .map((name) => JSON.parse(world.contentOf(folder, name).toString()))
      .map(({ from, to, revision, rows }) => [from, to, revision, rows])
      .sort()

  test('whole days that have changed since the last delivery are delivered, each with a revision; a replay delivers nothing', async () => {
    const folder = world.newFolder()
    const onDay = (day: number) => Date.UTC(2026, 2, day, 2)
    expect(await world.deliver(daily(folder), { scheduleId: folder, dueMs: onDay(8) })).toMatchObject(succeeded)
    expect(manifestsIn(folder)).toEqual([['2026-03-07', '2026-03-07', 1, 2]])
    expect(await world.deliver(daily(folder), { scheduleId: folder, dueMs: onDay(8) })).toMatchObject({
      message: 'Nothing has changed since the last delivery.',
    })
    // The 7th changes, the 8th is new, and the 12th has no usage.
    await world.tested.client.send([{ event_id: 'changes', project_id: 'quoted', metric: 'ai_tokens', value: 1, timestamp: '2026-03-07T11:00:00Z' }])
    await world.deliver(daily(folder), { scheduleId: folder, dueMs: onDay(9) })
    await world.deliver(daily(folder), { scheduleId: folder, dueMs: onDay(13) })
    const days = manifestsIn(folder)
    expect(days.filter(([from]) => from === '2026-03-07')).toEqual([
      ['2026-03-07', '2026-03-07', 1, 2],
      ['2026-03-07', '2026-03-07', 2, 2],
    ])
    expect(days).toContainEqual(['2026-03-08', '2026-03-08', 1, 1])
    expect(days).toContainEqual(['2026-03-12', '2026-03-12', 1, 0])
    const [newest] = world.filesIn(folder).filter((name) => name.includes('day=2026-03-07') && name.includes('.r2.'))
    const { name } = JSON.parse(world.contentOf(folder, newest ?? '').toString())
    const rows = world
      .contentOf(folder, name)
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(rows.map(({ metric, value }) => [metric, String(value)]).sort()).toEqual([
      ['ai_tokens', '17'],
      ['database_size_bytes', '5'],
    ])
  })

  test('of more changed days than one run delivers, the newest come first', async () => {
    const [before, after] = [world.newFolder(), world.newFolder()]
    const onDay = (day: number) => Date.UTC(2026, 1, day, 2)
    await world.deliver(daily(before), { scheduleId: before, dueMs: onDay(2) })
    const days = Array.from({ length: 35 }, (_, index) => new Date(onDay(index + 1)).toISOString())
    await world.tested.client.send(days.map((timestamp) => ({ event_id: timestamp, project_id: 'quoted', metric: 'ai_tokens', value: 1, timestamp })))
    const late = await world.deliver(daily(after), { scheduleId: before, dueMs: onDay(36) })
    expect(late).toMatchObject({ message: expect.stringMatching(/ 4 more changed days follow with the next runs\.$/) })
    const delivered = manifestsIn(after).map(([from]) => from)
    expect([delivered.length, delivered[0], delivered.at(-1)]).toEqual([31, '2026-02-05', '2026-03-07'])
    await world.deliver(daily(after), { scheduleId: before, dueMs: onDay(36) })
    expect(manifestsIn(after).map(([from]) => from)).toHaveLength(35)
  })

  test('days are delivered again to another folder or in another format, and then no more', async () => {
    const [before, after] = [world.newFolder(), world.newFolder()]
    const dueMs = Date.UTC(2026, 2, 8, 2)
    const nothing = { message: 'Nothing has changed since the last delivery.' }
    await world.deliver(daily(before), { scheduleId: before, dueMs })
    expect(await world.deliver(daily(after), { scheduleId: before, dueMs })).toMatchObject({ message: expect.stringMatching(/^Delivered usage/) })
    expect(world.filesIn(after)).toEqual(world.filesIn(before))
    expect(await world.deliver(daily(after), { scheduleId: before, dueMs })).toMatchObject(nothing)
    const asCsv: ExportAction = { ...daily(after), format: 'csv' }
    expect(await world.deliver(asCsv, { scheduleId: before, dueMs })).toMatchObject({ message: expect.stringMatching(/\.csv \(revision 2\)/) })
    expect(await world.deliver(asCsv, { scheduleId: before, dueMs })).toMatchObject(nothing)
    // The query of a pre-signed URL is renewed often, which is no other place.
    const receiver = await startObjectReceiver()
    world.onEnd(receiver.stop)
    const signed = (signature: string): ExportAction => ({ ...asCsv, to: { url: `${receiver.url}/{name}?signature=${signature}` } })
    await world.deliver(signed('first'), { scheduleId: before, dueMs })
    expect(receiver.stored).toHaveLength(2)
    expect(await world.deliver(signed('second'), { scheduleId: before, dueMs })).toMatchObject(nothing)
  })

  test('a change for another partner changes no day of this one', async () => {
    const folder = world.newFolder()
    const dueMs = Date.UTC(2026, 2, 8, 2)
    await world.deliver(daily(folder), { scheduleId: folder, dueMs })
    const other = await world.tested.client.createPartner('Other')
    await world.tested.client.registerProject('of-other', other.partnerId)
    await world.tested.client.send([{ event_id: 'e', project_id: 'of-other', metric: 'ai_tokens', value: 1, timestamp: '2026-03-07T11:00:00Z' }])
    const before = world.filesIn(folder)
    expect(await world.deliver(daily(folder), { scheduleId: folder, dueMs })).toMatchObject(succeeded)
    expect(world.filesIn(folder)).toEqual(before)
  })
})
