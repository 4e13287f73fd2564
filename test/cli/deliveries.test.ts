import { cpSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readAnswer } from '../../contract/answer.ts'
import { LIST_DELIVERIES } from '../../contract/deliveries.ts'
import type { ExportAction } from '../../contract/schedules.ts'
import { runHere } from '../support/clients/run-here.ts'
import { runMeterline } from '../support/engines/service-process.ts'
import { DeliveredWorld } from '../support/worlds/delivered-world.ts'

let world: DeliveredWorld
let finance: Record<string, string>
beforeAll(async () => {
  world = await DeliveredWorld.open()
  const { token } = (await world.tested.client.admin('POST', '/admin/v1/tokens', { role: 'finance' })).body
  finance = { METERLINE_URL: world.tested.service.url, METERLINE_ACCESS_TOKEN: token }
  for (const format of ['csv', 'json'] as const) {
    const action = { what: 'statements', period: 'last-month', format, to: { folder: 'finance' } } as const
    expect(await world.deliver(action, { scheduleId: format })).toMatchObject({ status: 'succeeded' })
  }
})
afterAll(async () => {
  await world.endTest()
  await world.close()
})

const run = (...args: string[]) => runHere(['deliveries', ...args], finance)

describe('the command "deliveries"', () => {
  test('lists for finance what was delivered of a month, with whole names for programs', async () => {
    const { code, stdout } = await run('--month', '2026-02')
    expect([code, stdout]).toEqual([0, expect.stringMatching(/csv .*statements .*all .*2026-02 .*1 .*final .*[0-9a-f]{12} .*finance/)])
    const { deliveries } = readAnswer(LIST_DELIVERIES.answers[200], (await run('--json', '--month', '2026-02')).stdout)
    expect(deliveries.map(({ schedule_id, name }) => [schedule_id, world.filesIn('finance').includes(name)])).toEqual([
      ['csv', true],
      ['json', true],
    ])
    expect((await run('--month', '2026-02', '--limit', '1', '--partner', world.partner.partnerId)).stdout).not.toContain('json')
    expect((await run('--month', '2026-01')).stdout).toBe('No schedule has delivered a file of 2026-01.\n')
  })

  test.each([
    [[], 1, "required option '--month <month>' not specified"],
    [['--month', '2026-2'], 1, 'month'],
    [['--month', '2026-02', '--limit', 'x'], 1, 'Give a number from 1 on'],
    [['--month', '2026-02', '--partner', 'x'], 4, 'artner'],
  ])('a mistake in %j is named', async (args, exitCode, message) => {
    const { code, stderr } = await run(...args)
    expect([code, stderr]).toEqual([exitCode, expect.stringContaining(message)])
  })
})

describe('the command "verify" of a delivered object', () => {
  /** Parquet is read by an embedded engine, and this process has one already. */
  const verify = (file: string, ...args: string[]) => (file.endsWith('parquet') ? runMeterline : runHere)(['verify', file, ...args], finance)
  const deliver = async (action: Partial<ExportAction>, scheduleId: string) => {
    const folder = world.newFolder()
    const whole = { what: 'statements', period: 'last-month', format: 'csv', ...action, to: { folder } } as ExportAction
    expect(await world.deliver(whole, { scheduleId })).toMatchObject({ status: 'succeeded' })
    const [name = ''] = world.filesIn(folder).filter((each) => !each.endsWith('.manifest.json'))
    return { folder, file: join(world.exportDir, folder, name), base: name.replace(/\.\w+$/, '') }
  }
  const closed = expect.stringContaining('the month is closed and will not change')

  test.each([
    ...(['csv', 'json', 'ndjson', 'parquet', 'xlsx'] as const).map((format) => ({ what: 'statements', format }) as const),
    ...(['csv', 'ndjson', 'parquet'] as const).map((format) => ({ what: 'focus', focus: '1.2', format }) as const),
    { what: 'statements', format: 'csv', include: 'byte_days' } as const,
    { what: 'focus', format: 'ndjson', quantity: 'byte_days' } as const,
  ])('$what as $format of a closed month, of all partners and of one, is compared with its manifest and with the service', async (action) => {
    for (const partner of [undefined, world.partner.partnerId]) {
      const { file } = await deliver({ ...action, ...(partner === undefined ? {} : { partner }) }, `verified-${JSON.stringify(action)}-${partner}`)
      expect(await verify(file)).toMatchObject({ stderr: '', code: 0, stdout: closed })
    }
  })

  test('an object of days is live', async () => {
    const { file } = await deliver({ what: 'usage', period: 'yesterday' }, 'verified-day')
    expect(await verify(file)).toMatchObject({ stderr: '', code: 0, stdout: expect.stringContaining('The month is open') })
  })

  test('the greatest revision counts, by its number, unless a manifest is named; without one the object may be incomplete', async () => {
    const { folder, file, base } = await deliver({}, 'verified-revisions')
    const manifest = (revision: number) => join(world.exportDir, folder, `${base}.r${revision}.manifest.json`)
    const text = world.contentOf(folder, `${base}.r1.manifest.json`).toString()
    for (const revision of [9, 10]) writeFileSync(manifest(revision), text)
    writeFileSync(manifest(9), text.replace('"rows": ', '"rows": 1'))
    expect(await verify(file)).toMatchObject({ stderr: '', code: 0, stdout: closed })
    expect(await verify(file, '--manifest', manifest(9))).toMatchObject({ code: 1, stderr: expect.stringContaining('in the manifest') })
    cpSync(file, `${file}.copy`)
    expect(await verify(`${file}.copy`, '--manifest', manifest(10))).toMatchObject({ stderr: '', code: 0 })
    expect(await verify(`${file}.copy`, '--manifest', 'none.json')).toMatchObject({ code: 1, stderr: expect.stringContaining('none.json cannot be read') })
    for (const revision of [1, 9, 10]) renameSync(manifest(revision), `${manifest(revision)}.elsewhere`)
    expect(await verify(file)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/There is no manifest beside .*\n.*\.r<revision>\.manifest\.json.*--manifest <file>/),
    })
  })
})
