import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Credentials } from '../support/clients/client.ts'
import { runHere } from '../support/clients/run-here.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

let tested: TestService
let partner: Credentials
let environment: Record<string, string>
const directory = mkdtempSync(join(tmpdir(), 'meterline-replace-'))
beforeAll(async () => {
  tested = await startTestService()
  environment = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: tested.service.adminToken }
  partner = await tested.client.createPartner('Replaced')
  await tested.client.registerProject('shop', partner.partnerId)
  await tested.client.createIngestKey()
  await tested.client.send([event('a', '1000'), event('b', '500')])
})
afterAll(async () => {
  rmSync(directory, { recursive: true })
  await tested.stop()
})

function event(event_id: string, value: unknown, day = '2026-01-10') {
  return { event_id, project_id: 'shop', metric: 'ai_tokens', value, timestamp: `${day}T12:00:00Z` }
}

function fileOf(...lines: readonly string[]): string {
  const file = join(directory, 'events.ndjson')
  writeFileSync(file, `${lines.join('\n')}\n`)
  return file
}

const run = (...args: string[]) => runHere(args, environment)
const replace = (file: string, ...more: string[]) =>
  run(
    'corrections',
    'replace',
    '--project=shop',
    '--metric=ai_tokens',
    '--from=2026-01-10',
    '--to=2026-01-11',
    '--reason=reported twice',
    `--file=${file}`,
    ...more,
  )
const totalOf = async () => (await tested.client.projectUsage(partner, 'shop', '2026-01-01', '2026-01-31')).body.summary.total_ai_tokens
const batches = async () => JSON.parse((await run('--json', 'corrections', 'batches', '--project', 'shop')).stdout).batches

test('P2: "corrections replace" shows what changes, asks, closes the batch, and goes on with it after an interruption', async () => {
  const bad = await replace(fileOf(JSON.stringify(event('n1', '100')), JSON.stringify(event('n2', '50', '2026-01-12'))))
  expect([bad.code, bad.stderr]).toEqual([1, expect.stringContaining('event 2: invalid_correction')])
  expect(bad.stderr).toContain('Correct the file and run the command again')
  expect(await batches()).toMatchObject([{ state: 'open', events: 1 }])
  const good = fileOf(
    JSON.stringify(event('n1', '100')),
    '',
    `{"event_id":"n2","project_id":"shop","metric":"ai_tokens","value":50.123456789,"timestamp":"2026-01-11T12:00:00Z"}`,
  )
  const dry = await replace(good, '--dry-run')
  expect(dry.stderr).toContain('Continuing the batch')
  expect(dry.stdout).toMatch(/2026-01-10 +│ +1,500 +│ +100 +│ +-1,400/)
  expect(dry.stdout).toContain('2026-01 is open')
  expect(await totalOf()).toBe('1500')
  expect((await replace(good)).stderr).toContain('Add --yes')
  const done = await replace(good, '--yes')
  expect([done.code, done.stdout]).toEqual([0, expect.stringContaining('To undo it: meterline corrections revert')])
  expect(await totalOf()).toBe('150.123456789')
  const [batch, ...others] = await batches()
  expect([batch, others]).toMatchObject([{ state: 'closed', events: 2 }, []])
  expect((await run('corrections', 'revert', batch.id, '--dry-run')).stdout).toMatch(/2026-01 +│ +150\.123456789 +│ +1,500/)
  expect((await run('corrections', 'revert', batch.id, '--yes')).stdout).toContain('Reverted.')
  expect(await totalOf()).toBe('1500')
  expect((await run('corrections', 'batches')).stdout).toContain('reverted')
})

test('a file that is not NDJSON is rejected before anything is sent', async () => {
  for (const [line, problem] of [
    ['{', 'line 1 is not JSON'],
    ['[]', 'line 1 is not an event'],
  ] as const)
    expect(await replace(fileOf(line))).toMatchObject({ code: 1, stderr: expect.stringContaining(problem) })
  expect((await replace(join(directory, 'nothing.ndjson'))).stderr).toContain('cannot be read')
  expect((await run('corrections', 'revert', 'nothing', '--yes')).code).toBe(4)
})
