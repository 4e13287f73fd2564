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

test('usage of different texts shows the sum of the projects, and beside it the number over all of them', async () => {
  expect(await define('visitors', 'unique', 'visitor')).toMatchObject({ code: 0 })
  await tested.client.registerProject('blue', partner.partnerId)
  const emit = (project: string, ...value: string[]) =>
    runHere(['emit', '--project', project, '--metric', 'visitors', '--at', '2026-02-03T00:00:00Z', ...value], {
      ...asAdmin,
      METERLINE_ACCESS_TOKEN: tested.client.ingestKey,
    })
  for (const [project, visitor] of [
    ['red', 'ann'],
    ['red', 'bob'],
    ['blue', 'ann'],
  ] as const)
    expect(await emit(project, '--value', visitor)).toMatchObject({ code: 0, stderr: '' })
  const csv = (await runHere(['usage', '--month', '2026-02', '--format', 'csv'], asPartner)).stdout
  expect(csv.split('\n')[0]).toBe('metric,adds_up_as,unit,usage,over_all_projects,peak_day')
  expect(csv).toContain('\nvisitors,unique,visitor,3,2,\n')
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
  expect(await define('wrong', 'average', 'x')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('--kind: must be one of peak, cumulative, count, last, unique'),
  })
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

test('labels are declared, sent, imported from columns and members, and "usage --group-by" shows them; they are no part of a derived id', async () => {
  const labelled = await runHere(['metrics', 'label', 'ai_tokens', 'region', 'model'], asAdmin)
  expect(labelled).toMatchObject({ code: 0, stdout: expect.stringMatching(/labels\s+model, region/) })
  expect(await runHere(['metrics', 'label', 'ai_tokens', 'color'], asAdmin)).toMatchObject({ code: 1, stderr: expect.stringContaining('never change') })
  expect(await runHere(['metrics', 'label', 'ai_token', 'model'], asAdmin)).toMatchObject({ stderr: expect.stringContaining('Did you mean "ai_tokens"?') })
  expect((await runHere(['metrics', 'list'], asPartner)).stdout).toMatch(/ai_tokens\s.*model, region/)
  const asEmitter = { ...asAdmin, METERLINE_ACCESS_TOKEN: tested.client.ingestKey }
  const at = '2025-11-03T00:00:00Z'
  const file = (name: string, content: string) => {
    const path = join(directory.path, name)
    writeFileSync(path, content)
    return path
  }
  const csv = file('labels.csv', `project_id,metric,value,timestamp,labels.model,Area\nred,ai_tokens,2,${at},large,eu\nred,ai_tokens,3,${at},,us\n`)
  const json = file('labels.ndjson', `{"project_id":"red","metric":"ai_tokens","value":4,"timestamp":"${at}","labels":{"model":"large"},"at":{"place":7}}\n`)
  // The same rows without labels have the same ids, so they count once.
  expect(await runHere(['import', csv], asEmitter)).toMatchObject({ code: 0, stdout: expect.stringContaining('2 accepted') })
  expect(await runHere(['import', csv, '--map', 'labels.region=Area'], asEmitter)).toMatchObject({ stdout: expect.stringContaining('2 duplicates') })
  const mapped = ['--map', 'labels.region=at.place', '--set', 'labels.model=small,metric=ai_tokens']
  expect(await runHere(['import', json, ...mapped], asEmitter)).toMatchObject({ code: 0, stdout: expect.stringContaining('1 accepted') })
  const emitted = ['emit', '--project', 'red', '--metric', 'ai_tokens', '--value', '5', '--at', at, '--label', 'model=a=b', '--label', 'region=eu']
  expect(await runHere(emitted, asEmitter)).toMatchObject({ code: 0 })
  expect(await runHere([...emitted, '--label', 'eu'], asEmitter)).toMatchObject({ code: 1, stderr: expect.stringContaining('such as model=large') })
  const shown = async (...args: string[]) =>
    (await runHere(['usage', '--month', '2025-11', '--format', 'csv', ...args], asPartner)).stdout.trimEnd().split('\n')
  expect(await shown('--group-by', 'model')).toEqual([
    'metric,unit,model,usage',
    'ai_tokens,token,a=b,5',
    'ai_tokens,token,small,4',
    'ai_tokens,token,,3',
    'ai_tokens,token,large,2',
  ])
  expect(await shown('red', '--group-by', 'region,model')).toContain('ai_tokens,token,7,small,4')
  expect(await runHere(['usage', '--group-by', 'model', '--by', 'day'], asPartner)).toMatchObject({ code: 1, stderr: expect.stringContaining('--group-by') })
  const exported = await runHere(['config', 'export'], asAdmin)
  expect(exported.stdout).toMatch(/name = "ai_tokens"[^[]*labels = \[ "model", "region" \]/)
  const [plan, other] = [exported.stdout, exported.stdout.replace('"model", "region"', '"region", "model"')].map((text, index) => file(`${index}.toml`, text))
  for (const each of [plan, other])
    expect(await runHere(['config', 'plan', each ?? ''], asAdmin)).toMatchObject({ code: 0, stdout: expect.stringMatching(/nothing|unchanged|no change/i) })
})
