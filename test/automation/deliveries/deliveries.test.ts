import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Exports } from '../../../aggregator/exports/exports.ts'
import { Deliveries, type DeliveriesOptions } from '../../../automation/deliveries/deliveries.ts'
import type { RunOutcome } from '../../../automation/schedules/run-outcome.ts'
import type { ExportAction } from '../../../contract/schedules.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { acquireLease, type Lease } from '../../../sql/lease.ts'
import type { Credentials } from '../../support/clients/client.ts'
import { startObjectReceiver, type UploadFault } from '../../support/clients/object-receiver.ts'
import { faultOnce } from '../../support/engines/faulty-lane.ts'
import { Random } from '../../support/random.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { makeExportedMonths } from '../../support/worlds/exported-month.ts'
import { LOOPBACK } from '../../support/worlds/scheduled-world.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const SEED = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)
const IN_MARCH = Date.UTC(2026, 2, 15, 6)
const directory = makeTemporaryDirectory()

let tested: TestService
let partner: Credentials
let lease: Lease
let folders = 0
beforeAll(async () => {
  tested = await startTestService()
  partner = await makeExportedMonths(tested.client)
  lease = await newLease()
})
afterAll(async () => {
  await tested.stop()
  directory.remove()
})
const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

/** A lease of this test: the one of schedules belongs to the service. */
async function newLease(): Promise<Lease> {
  const outcome = await acquireLease(tested.service.clickhouse, 'test/deliveries')
  if (outcome.status !== 'acquired') throw new Error('The lease was not acquired.')
  return outcome.lease
}

function deliveriesWith(more: Partial<DeliveriesOptions> = {}): Deliveries {
  const clickhouse: ClickHouse = more.clickhouse ?? tested.service.clickhouse
  const exports = new Exports({ registry: { clickhouse: tested.service.clickhouse }, generator: 'test', currency: 'USD', now: Date.now })
  closers.push(() => exports.stop())
  const limits = { retryMsFirst: 1, retryMsMax: 3, timeoutMs: 2_000 }
  return new Deliveries({ clickhouse, exports, exportDir: directory.path, allowed: LOOPBACK, now: Date.now, limits, ...more })
}

interface Order {
  readonly scheduleId: string
  readonly dueMs?: number
  readonly deliveries?: Deliveries
  readonly signal?: AbortSignal
}

function deliver(
  action: ExportAction,
  { scheduleId, dueMs = IN_MARCH, deliveries = deliveriesWith(), signal = new AbortController().signal }: Order,
): Promise<RunOutcome> {
  return deliveries.deliver({ scheduleId, dueMs, kind: 'schedule', runId: `run_${dueMs}`, lease, signal }, action, { 'x-own': 'yes' })
}

function newFolder(): string {
  folders += 1
  return `folder-${folders}`
}
const filesIn = (folder: string) =>
  readdirSync(join(directory.path, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.\w+$/.test(name))
    .sort()
const contentOf = (folder: string, name: string) => readFileSync(join(directory.path, folder, name))

const FOCUS: Omit<ExportAction, 'to'> = { what: 'focus', period: 'last-month', format: 'parquet' }
const succeeded = { status: 'succeeded' }

describe('months', () => {
  test('a closed month is delivered again byte by byte under the same names, and its name has the hash of its bytes', async () => {
    const folder = newFolder()
    const action: ExportAction = { ...FOCUS, to: { folder } }
    expect(await deliver(action, { scheduleId: folder })).toMatchObject({
      status: 'succeeded',
      message: expect.stringMatching(/^Delivered focus\/month=2026-02\/all-.*\(revision 1\)\.$/),
    })
    const names = filesIn(folder)
    expect(names).toEqual([
      expect.stringMatching(/^focus\/month=2026-02\/all-[0-9a-f]{64}\.parquet$/),
      expect.stringMatching(/^focus\/month=2026-02\/all-[0-9a-f]{64}\.r1\.manifest\.json$/),
    ])
    const [name = '', manifestName = ''] = names
    const before = names.map((each) => contentOf(folder, each))
    const bytes = contentOf(folder, name)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const manifest = JSON.parse(contentOf(folder, manifestName).toString())
    expect(name).toContain(sha256)
    expect(manifest).toMatchObject({ name, revision: 1, sha256, bytes: bytes.length, month: '2026-02', status: 'closed', format: 'focus-parquet' })
    expect(manifest.totals).toContainEqual(expect.objectContaining({ line: 'usage', metric: 'ai_tokens', value: '8' }))
    expect(await deliver(action, { scheduleId: folder, dueMs: IN_MARCH + 1_000 })).toMatchObject(succeeded)
    expect([filesIn(folder), names.map((each) => contentOf(folder, each))]).toEqual([names, before])
  })

  test('an open month gets a new revision when its usage changes, and nothing is overwritten', async () => {
    const folder = newFolder()
    const action: ExportAction = { what: 'statements', period: 'this-month', format: 'csv', partner: partner.partnerId, to: { folder } }
    await deliver(action, { scheduleId: folder })
    await deliver(action, { scheduleId: folder })
    const first = filesIn(folder)
    expect(first).toHaveLength(2)
    const before = first.map((name) => contentOf(folder, name))
    await tested.client.send([{ event_id: 'late', project_id: 'quoted', metric: 'ai_tokens', value: 64, timestamp: '2026-03-09T10:00:00Z' }])
    expect(await deliver(action, { scheduleId: folder })).toMatchObject({ message: expect.stringContaining('(revision 2)') })
    expect(filesIn(folder)).toHaveLength(4)
    expect(first.map((name) => contentOf(folder, name))).toEqual(before)
    const manifests = filesIn(folder).filter((name) => name.endsWith('.manifest.json'))
    const described = manifests.map((name) => JSON.parse(contentOf(folder, name).toString()))
    expect(described.map(({ revision, status }) => [revision, status]).sort()).toEqual([
      [1, 'open'],
      [2, 'open'],
    ])
  })

  test('a month without a statement fails, with a message that names it', async () => {
    const action: ExportAction = { ...FOCUS, to: { folder: newFolder() } }
    expect(await deliver(action, { scheduleId: 'early', dueMs: Date.UTC(2025, 0, 2) })).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('2024-12'),
    })
  })
})

describe('days', () => {
  const daily = (folder: string): ExportAction => ({ what: 'usage', period: 'yesterday', format: 'ndjson', partner: partner.partnerId, to: { folder } })
  const manifestsIn = (folder: string) =>
    filesIn(folder)
      .filter((name) => name.endsWith('.manifest.json'))
      .map((name) => JSON.parse(contentOf(folder, name).toString()))
      .map(({ from, to, revision, rows }) => [from, to, revision, rows])
      .sort()

  test('whole days that have changed since the last delivery are delivered, each with a revision; a replay delivers nothing', async () => {
    const folder = newFolder()
    const onDay = (day: number) => Date.UTC(2026, 2, day, 2)
    expect(await deliver(daily(folder), { scheduleId: folder, dueMs: onDay(8) })).toMatchObject(succeeded)
    expect(manifestsIn(folder)).toEqual([['2026-03-07', '2026-03-07', 1, 2]])
    expect(await deliver(daily(folder), { scheduleId: folder, dueMs: onDay(8) })).toMatchObject({ message: 'Nothing has changed since the last delivery.' })
    // The 7th changes, the 8th is new, and the 12th has no usage.
    await tested.client.send([{ event_id: 'changes', project_id: 'quoted', metric: 'ai_tokens', value: 1, timestamp: '2026-03-07T11:00:00Z' }])
    await deliver(daily(folder), { scheduleId: folder, dueMs: onDay(9) })
    await deliver(daily(folder), { scheduleId: folder, dueMs: onDay(13) })
    const days = manifestsIn(folder)
    expect(days.filter(([from]) => from === '2026-03-07')).toEqual([
      ['2026-03-07', '2026-03-07', 1, 2],
      ['2026-03-07', '2026-03-07', 2, 2],
    ])
    expect(days).toContainEqual(['2026-03-08', '2026-03-08', 1, 1])
    expect(days).toContainEqual(['2026-03-12', '2026-03-12', 1, 0])
    const [newest] = filesIn(folder).filter((name) => name.includes('day=2026-03-07') && name.includes('.r2.'))
    const { name } = JSON.parse(contentOf(folder, newest ?? '').toString())
    const rows = contentOf(folder, name)
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(rows.map(({ metric, value }) => [metric, String(value)]).sort()).toEqual([
      ['ai_tokens', '17'],
      ['database_size_bytes', '5'],
    ])
  })

  test('a change for another partner changes no day of this one', async () => {
    const folder = newFolder()
    const dueMs = Date.UTC(2026, 2, 8, 2)
    await deliver(daily(folder), { scheduleId: folder, dueMs })
    const other = await tested.client.createPartner('Other')
    await tested.client.registerProject('of-other', other.partnerId)
    await tested.client.send([{ event_id: 'e', project_id: 'of-other', metric: 'ai_tokens', value: 1, timestamp: '2026-03-07T11:00:00Z' }])
    const before = filesIn(folder)
    expect(await deliver(daily(folder), { scheduleId: folder, dueMs })).toMatchObject(succeeded)
    expect(filesIn(folder)).toEqual(before)
  })
})

describe('a receiver that fails at random', () => {
  test('every byte arrives, the manifest last, and nothing is overwritten, whatever fails', async () => {
    const random = new Random(SEED)
    const faults: readonly UploadFault[] = ['500', '429', 'hang up in the middle', 'stored and silent', 'slow', 'none', 'none', 'none']
    const receiver = await startObjectReceiver(() => random.pick(faults))
    closers.push(receiver.stop)
    const deliveries = deliveriesWith({ limits: { retryMsFirst: 1, retryMsMax: 3, timeoutMs: 250, attemptsMax: 3 } })
    const formats = ['csv', 'json', 'ndjson', 'parquet', 'xlsx'] as const
    let runs = 0
    for (const format of formats) {
      const action: ExportAction = { what: 'statements', period: 'last-month', format, to: { url: `${receiver.url}/{name}` } }
      for (let status = ''; status !== 'succeeded'; runs += 1) {
        status = (await deliver(action, { scheduleId: `faulty-${format}-${SEED}`, deliveries })).status
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
    closers.push(receiver.stop)
    await deliver({ ...FOCUS, to: { url: receiver.url } }, { scheduleId: 'ids' })
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

  test('a delivery that is interrupted because the process stops is left to the next process', async () => {
    const stopping = new AbortController()
    const receiver = await startObjectReceiver(() => {
      stopping.abort()
      return 'slow'
    })
    closers.push(receiver.stop)
    const outcome = await deliver({ ...FOCUS, to: { url: receiver.url } }, { scheduleId: 'stopped', signal: stopping.signal })
    expect(outcome).toEqual({ status: 'stopped' })
  })
})

describe('crashes', () => {
  test.each(['not sent', 'response lost'] as const)('a record of a revision that is %s leads to one content for each revision', async (fault) => {
    const folder = newFolder()
    const action: ExportAction = { what: 'statements', period: 'this-month', format: 'json', partner: partner.partnerId, to: { folder } }
    for (const nth of [1, 2]) {
      const { clickhouse } = tested.service
      const faulty = faultOnce(clickhouse.work, nth === 1 ? 'deliveries_inbox_v1' : 'none', fault)
      await deliver(action, { scheduleId: folder, deliveries: deliveriesWith({ clickhouse: { ...clickhouse, work: faulty.lane } }) }).catch(() => {})
      const event = { event_id: `${folder}-${nth}`, project_id: 'quoted', metric: 'ai_tokens', value: 1, timestamp: '2026-03-20T10:00:00Z' }
      await tested.client.send([event])
    }
    await deliver(action, { scheduleId: folder })
    const described = filesIn(folder)
      .filter((name) => name.endsWith('.manifest.json'))
      .map((name) => JSON.parse(contentOf(folder, name).toString()))
    const revisions = described.map(({ revision }) => revision)
    expect(new Set(revisions).size).toBe(revisions.length)
    expect(new Set(described.map(({ sha256 }) => sha256)).size).toBe(revisions.length)
  })

  test('a process that has lost the lease delivers no new revision', async () => {
    const folder = newFolder()
    const lost = lease
    lease = await newLease()
    const deliveries = deliveriesWith()
    const run = { scheduleId: folder, dueMs: IN_MARCH, kind: 'schedule' as const, runId: 'run', lease: lost, signal: new AbortController().signal }
    await expect(deliveries.deliver(run, { ...FOCUS, to: { folder } }, {})).rejects.toMatchObject({ fault: 'fenced' })
    expect(readdirSync(directory.path)).not.toContain(folder)
  })
})

describe('folders', () => {
  test('a link that leads out of EXPORT_DIR is refused, and nothing is written behind it', async () => {
    const outside = makeTemporaryDirectory()
    closers.push(outside.remove)
    const folder = newFolder()
    mkdirSync(join(directory.path, folder))
    symlinkSync(outside.path, join(directory.path, folder, 'link'))
    symlinkSync(outside.path, join(directory.path, folder, 'focus'))
    for (const path of [`${folder}/link/deeper`, folder])
      expect(await deliver({ ...FOCUS, to: { folder: path } }, { scheduleId: path })).toMatchObject({
        status: 'failed',
        message: expect.stringMatching(/The folder leads out of EXPORT_DIR\.$/),
      })
    expect(readdirSync(outside.path)).toEqual([])
  })

  test('without EXPORT_DIR a folder fails the run; no temporary file is left', async () => {
    expect(await deliver({ ...FOCUS, to: { folder: 'f' } }, { scheduleId: 'unset', deliveries: deliveriesWith({ exportDir: undefined }) })).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('EXPORT_DIR is not set'),
    })
    expect(readdirSync(directory.path).filter((name) => name.startsWith('.'))).toEqual([])
  })
})
