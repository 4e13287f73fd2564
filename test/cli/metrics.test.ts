import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Credentials } from '../support/clients/client.ts'
import { runHere } from '../support/clients/run-here.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

let tested: TestService
let partner: Credentials
let asAdmin: Record<string, string>
let asPartner: Record<string, string>
const directory = makeTemporaryDirectory()
beforeAll(async () => {
  tested = await startTestService()
  partner = await tested.client.createPartner('Acme')
  await tested.client.registerProject('red', partner.partnerId)
  await tested.client.createIngestKey()
  const service = { METERLINE_URL: tested.service.url, XDG_CONFIG_HOME: directory.path }
  asAdmin = { ...service, METERLINE_ACCESS_TOKEN: tested.service.adminToken }
  asPartner = { ...service, METERLINE_ACCESS_TOKEN: partner.secret, METERLINE_PARTNER_ID: partner.partnerId }
})
afterAll(async () => {
  await tested.stop()
  directory.remove()
})

const define = (name: string, kind: string, unit: string) =>
  runHere(['metrics', 'define', name, '--kind', kind, '--unit', unit, '--description', 'Of a test.'], asAdmin)

test('"metrics define" defines a metric, events of it are sent, and "metrics list" and "usage" show it to the partner', async () => {
  expect(await define('images', 'cumulative', 'image')).toMatchObject({ code: 0, stderr: '' })
  expect(await define('logins', 'count', 'login')).toMatchObject({ code: 0, stderr: '' })
  expect(await define('seats', 'peak', 'seat')).toMatchObject({ code: 0, stderr: '' })
  const emit = (metric: string, at: string, ...value: string[]) =>
    runHere(['emit', '--project', 'red', '--metric', metric, '--at', at, ...value], { ...asAdmin, METERLINE_ACCESS_TOKEN: tested.client.ingestKey })
  expect(await emit('images', '2026-01-03T00:00:00Z', '--value', '2.5')).toMatchObject({ code: 0 })
  expect(await emit('logins', '2026-01-03T00:00:00Z')).toMatchObject({ code: 0 })
  expect(await emit('seats', '2026-01-03T00:00:00Z', '--value', '7')).toMatchObject({ code: 0 })
  expect(await emit('seats', '2026-01-04T00:00:00Z', '--value', '5')).toMatchObject({ code: 0 })
  expect(await emit('seat', '2026-01-04T00:00:00Z', '--value', '5')).toMatchObject({ code: 1, stderr: expect.stringContaining('unknown_metric') })
  expect((await runHere(['metrics', 'list'], asPartner)).stdout).toMatch(/images\s.*cumulative\s.*image/)
  const byMetric = await runHere(['usage', '--month', '2026-01', '--format', 'csv'], asPartner)
  expect(byMetric.stdout.split('\n').filter((line) => /^(images|logins|seats),/.test(line))).toEqual([
    'images,sum,image,2.5,',
    'logins,count,login,1,',
    'seats,peak,seat,7,2026-01-03',
  ])
  for (const way of [
    ['--by', 'day'],
    ['--by', 'project'],
    ['red', '--by', 'day'],
  ])
    expect((await runHere(['usage', '--month', '2026-01', '--format', 'csv', ...way], asPartner)).stdout).toMatch(
      /^[^\n]*,images,logins,seats\n[^\n]*2\.5,1,7\n/,
    )
})

test('usage --byte-days prints the sum of the days of each peak, a defined one in its own unit, and GB-months of the chosen size', async () => {
  const seats = await runHere(['usage', '--month', '2026-01', '--byte-days', '--format', 'csv'], asPartner)
  expect(seats.stdout.split('\n').slice(0, 4)).toEqual([
    'metric,unit,sum_of_days,days_with_samples,GB-months,bytes_per_GB,days_of_month',
    'database_size_bytes,byte-day,0,0,0,1000000000,31',
    'file_storage_bytes,byte-day,0,0,0,1000000000,31',
    'seats,seat-day,12,2,,,',
  ])
  const table = await runHere(['usage', 'red', '--month', '2026-01', '--byte-days', '--gb-bytes', '1073741824'], asPartner)
  expect(table.stdout).toMatch(/│ seats +│ seat-day +│ +12 │ +2 │/)
  expect(table.stdout).toContain('1,073,741,824')
  const wrong = await runHere(['usage', '--month', '2026-01', '--byte-days', '--by', 'day'], asPartner)
  expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('Leave one of them out.')])
  expect((await runHere(['usage', '--byte-days', '--gb-bytes', '1024'], asPartner)).stderr).toContain('--gb-bytes "1024" is none of 1000000000, 1073741824')
})

test('an unknown kind is answered with the kinds there are', async () => {
  expect(await define('wrong', 'last', 'x')).toMatchObject({ code: 1, stderr: expect.stringContaining('--kind: must be one of peak, cumulative, count') })
})

test('a configuration file defines metrics, is exported with them, and a change that is not allowed does not stop the rest', async () => {
  const file = join(directory.path, 'meterline.toml')
  const entry = (name: string, kind: string, display = '') =>
    `[[metrics]]\nname = "${name}"\nkind = "${kind}"\nunit = "page"\ndescription = "Pages."\n${display}`
  writeFileSync(file, entry('pages', 'cumulative', 'display = "Pages"\n'))
  expect((await runHere(['config', 'plan', file], asAdmin)).stdout).toContain('+ metric pages\n')
  expect(await runHere(['--yes', 'config', 'apply', file], asAdmin)).toMatchObject({ code: 0, stdout: expect.stringContaining('created: metric pages') })
  const again = JSON.parse((await runHere(['--json', 'config', 'plan', file], asAdmin)).stdout)
  expect(again).toMatchObject({ steps: [], unchanged: 1, not_in_file: { metrics: expect.arrayContaining(['images']) } })
  const exported = await runHere(['config', 'export'], asAdmin)
  expect(exported.stdout).toContain('[[metrics]]\nname = "pages"\nkind = "cumulative"\nunit = "page"\ndescription = "Pages."\ndisplay = "Pages"')
  expect(exported.stdout).not.toContain('ai_tokens')
  writeFileSync(file, entry('images', 'peak') + entry('more_pages', 'count'))
  const { code, stdout } = await runHere(['--yes', 'config', 'apply', file], asAdmin)
  expect([code, stdout]).toEqual([1, expect.stringContaining('rejected: metric images')])
  expect(stdout).toContain('created: metric more_pages')
  writeFileSync(file, entry('Pages', 'count'))
  expect(await runHere(['config', 'plan', file], asAdmin)).toMatchObject({ code: 1, stderr: expect.stringContaining('metrics') })
})
