import { once } from 'node:events'
import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credentials } from '../support/clients/client.ts'
import { runHere } from '../support/clients/run-here.ts'
import { startWebhookReceiver } from '../support/clients/webhook-receiver.ts'
import { runMeterline, spawnMeterline } from '../support/engines/service-process.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { untilSo } from '../support/until-so.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

let tested: TestService
let partner: Credentials
let environment: Record<string, string>
const directory = makeTemporaryDirectory()
beforeAll(async () => {
  tested = await startTestService()
  partner = await tested.client.createPartner('Ours')
  environment = { PATH: process.env['PATH'] ?? '', METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: await tested.client.createIngestKey() }
})
afterAll(async () => {
  await tested.stop()
  directory.remove()
})

const HOUR_MS = 3_600_000
const collect = (args: readonly string[], more: Record<string, string> = {}) => runHere(['collect', ...args], { ...environment, ...more })
const pathOf = (name: string) => join(directory.path, name)
const linesOf = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

/** Yesterday, as access logs write it. */
function logDay(): string {
  const [, day, month, year] = /^\w+, (\d+) (\w+) (\d+)/.exec(new Date(Date.now() - 24 * HOUR_MS).toUTCString()) ?? []
  return `${day}/${month}/${year}`
}

function write(name: string, content: string | Buffer): string {
  writeFileSync(pathOf(name), content)
  return pathOf(name)
}

/** A folder with one project of this many bytes. */
function makeStore(name: string, bytes: number): string {
  mkdirSync(join(pathOf(name), `${name}-project`), { recursive: true })
  write(`${name}/${name}-project/file`, 'x'.repeat(bytes))
  return pathOf(name)
}

/** The project's usage of the last days, so that no test depends on the hour in which it runs. */
async function usageOf(projectId: string) {
  await tested.client.registerProject(projectId, partner.partnerId)
  const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 10)
  return (await tested.client.projectUsage(partner, projectId, dayOf(Date.now() - 3 * 24 * HOUR_MS), dayOf(Date.now()))).body.summary
}

describe('meterline collect', () => {
  test('counts a slot once, whichever process samples it, and however often, and --dry-run prints what would be sent', async () => {
    const store = makeStore('once', 100)
    // With slots of a day, all calls of this test are in one slot, except at midnight.
    const args = ['folder', store, '--slot', '1d']
    const dry = await collect([...args, '--dry-run'])
    expect(dry).toMatchObject({ code: 0, stderr: 'folder: 1 sample: not sent, 0 gaps\n' })
    expect(linesOf(dry.stdout)).toEqual([expect.objectContaining({ project_id: 'once-project', metric: 'file_storage_bytes', value: '100' })])
    expect(await collect(args)).toMatchObject({ code: 0, stderr: '', stdout: 'folder: 1 sample: 1 accepted, 0 duplicates, 0 rejected, 0 gaps\n' })
    expect((await collect(args)).stdout).toContain('0 accepted, 1 duplicate, 0 rejected')
    // A little later the size is another one; the slot has its sample.
    makeStore('once', 200)
    const again = await collect([...args, '--json'])
    expect([again.code, linesOf(again.stdout)]).toEqual([0, [expect.objectContaining({ type: 'summary', accepted: 0, duplicates: 1, rejected: [] })]])
    expect(await usageOf('once-project')).toMatchObject({ max_file_storage_bytes: '100' })
  })

  test('reports the slots since the last call that have no sample as a gap', async () => {
    const store = makeStore('gap', 5)
    const state = pathOf('gap.state')
    const args = ['folder', store, '--state', state]
    expect(await collect(args)).toMatchObject({ code: 0, stdout: expect.stringContaining(' 0 gaps') })
    const saved = JSON.parse(readFileSync(state, 'utf8'))
    const slotMs = Date.parse(saved.last_slots[0].slot)
    const earlier = new Date(slotMs - 3 * HOUR_MS).toISOString()
    writeFileSync(state, JSON.stringify({ ...saved, last_slots: [{ ...saved.last_slots[0], slot: earlier }] }))
    const { code, stdout } = await collect(args)
    expect([code, stdout]).toEqual([0, expect.stringMatching(/ 1 gap\n {2}gap: file_storage_bytes of gap-project has no sample from /)])
    expect(await collect(args)).toMatchObject({ stdout: expect.stringContaining(' 0 gaps') })
    expect(await collect(['folder', store, '--state', state, '--slot', '15m'])).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('--slot'),
    })
  })

  test('counts access logs once: while they grow, after they are rotated and compressed, and read twice', async () => {
    const line = (hour: string, path: string, bytes: number) => `1.1.1.1 - - [${logDay()}:${hour}:00:00 +0000] "GET ${path} HTTP/1.1" 200 ${bytes} "-" "c"\n`
    const first = line('01', '/log-a/x', 1) + line('01', '/log-b/x', 2) + line('02', '/log-a/x', 4)
    const options = ['--project-pattern', '^/(?<project>log-[^/]+)/', '--calls', 'function_calls']
    const log = write('access.log', first)
    expect(await collect(['access-log', log, ...options])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/4 samples: 4 accepted.*\n.*1 lines that wait/),
    })
    const rotated = write('access.log.1', first + line('02', '/log-b/x', 8))
    utimesSync(rotated, new Date(0), new Date(0))
    write('access.log', line('02', '/log-a/y', 16) + line('03', '/log-a/y', 32))
    const both = await collect(['access-log', rotated, log, ...options])
    expect(both).toMatchObject({ code: 0, stdout: expect.stringContaining('10 samples: 6 accepted, 4 duplicates, 0 rejected') })
    const packed = write('access.log.2.gz', gzipSync(readFileSync(rotated)))
    expect(await collect(['access-log', packed, ...options])).toMatchObject({ code: 0, stdout: expect.stringContaining('8 samples: 0 accepted, 8 duplicates') })
    expect(await collect(['access-log', log, '--complete', ...options])).toMatchObject({ stdout: expect.stringContaining('2 accepted, 2 duplicates') })
    expect(await usageOf('log-a')).toMatchObject({ total_egress_bytes: '53', total_function_calls: '4' })
    expect(await usageOf('log-b')).toMatchObject({ total_egress_bytes: '10', total_function_calls: '2' })
    // One file that is missing does not keep the others from being counted.
    const missing = await collect(['access-log', pathOf('none.log'), log, ...options])
    expect(missing).toMatchObject({ code: 1, stdout: expect.stringContaining('2 duplicates'), stderr: expect.stringContaining('There is no file') })
  })

  test('reads a listing from a pipe', async () => {
    const input = '{"Key":"piped/a","Size":9007199254740991}\n{"Key":"piped/b","Size":9}\n'
    const { code, stdout, stderr } = await runMeterline(['collect', 'listing'], environment, { input })
    expect([code, stdout, stderr]).toEqual([0, 'listing: 1 sample: 1 accepted, 0 duplicates, 0 rejected, 0 gaps\n', ''])
    expect(await usageOf('piped')).toMatchObject({ max_file_storage_bytes: '9007199254741000' })
  })

  test('a folder that does not exist is one sentence, said once', async () => {
    const missing = pathOf('nofolder')
    expect(await collect(['folder', missing])).toEqual({
      code: 1,
      stdout: 'folder: 0 samples: 0 accepted, 0 duplicates, 0 rejected, 0 gaps, 1 source failed\n',
      stderr: `error: folder failed: There is no folder ${missing}.\n`,
    })
    expect(await collect(['folder', write('nofolder-file', '')])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/nofolder-file is not a folder\.\n$/),
    })
  })

  test('--dry-run --json prints the samples and then the summary, with what was ignored and why', async () => {
    const log = write('malformed.log', 'no log line\n')
    const { code, stdout, stderr } = await collect(['access-log', log, '--complete', '--dry-run', '--json', '--project-pattern', '^/(?<project>[^/]+)/'])
    expect([code, stderr]).toEqual([0, ''])
    expect(linesOf(stdout)).toEqual([expect.objectContaining({ type: 'summary', dry_run: true, samples: 0, ignored: [expect.objectContaining({ count: 1 })] })])
    const store = makeStore('dry', 3)
    const types = linesOf((await collect(['folder', store, '--dry-run', '--json'])).stdout).map(({ type, value }) => type ?? value)
    expect(types).toEqual(['3', 'summary'])
  })

  test('with --every goes on from slot to slot, through a failing source, and ends with SIGTERM', async () => {
    const store = pathOf('every')
    const child = spawnMeterline(['collect', 'folder', store, '--every', '1s', '--slot', '1s', '--json'], environment)
    let stdout = ''
    child.stdout?.on('data', (chunk) => {
      stdout += String(chunk)
    })
    const summaries = () => (stdout.endsWith('\n') ? linesOf(stdout) : [])
    await untilSo(async () => summaries().length > 0)
    makeStore('every', 1)
    await untilSo(async () => summaries().filter(({ accepted }) => accepted === 1).length >= 2)
    child.kill('SIGTERM')
    await once(child, 'close')
    expect([child.exitCode, summaries()[0]]).toEqual([0, expect.objectContaining({ samples: 0, failures: [expect.objectContaining({ source: 'folder' })] })])
  })
})

describe('meterline collect platform', () => {
  const answers: Record<string, () => { status?: number; body?: object }> = {}
  let backend: Awaited<ReturnType<typeof startWebhookReceiver>>
  beforeAll(async () => {
    backend = await startWebhookReceiver((request, response) => {
      const name = (request.url ?? '').split('/')[1] ?? ''
      const { status = 200, body } = request.headers.authorization === `Bearer secret-of-${name}` ? (answers[name]?.() ?? {}) : { status: 401 }
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body ?? { error: 'x' }))
    })
  })
  afterAll(() => backend.stop())
  // The end of the last hour that is over for so long is half an hour away from now, so that all calls of a test read the same hours.
  const settle = ['--settle', `${(new Date().getUTCMinutes() + 30) % 60 || 60}m`]
  const stats = (calls: number, bytes = 100) => ({ body: { mcp_usage_count: calls, database_size_bytes: bytes, storage_size_bytes: 7, user_count: 1 } })
  const sourcesOf = (...names: readonly string[]) => {
    const sources = names.map((name) => {
      const token_file = pathOf(`${name}.token`)
      writeFileSync(token_file, `secret-of-${name}\n`, { mode: 0o600 })
      return { project_id: name, url: `http://127.0.0.1:${backend.port}/${name}`, token_file }
    })
    return write(`${names.join('-')}.json`, JSON.stringify(sources))
  }
  const hoursOf = (name: string) => backend.requests.filter(({ path }) => path.startsWith(`/${name}/`)).length

  test('collects every project, those beside a failing one too, with a token that is never printed', async () => {
    answers['pa'] = () => stats(3)
    answers['pb'] = () => ({ status: 403 })
    const sources = sourcesOf('pa', 'pb')
    const { code, stdout, stderr } = await collect(['platform', '--sources', sources])
    expect([code, stdout]).toEqual([1, expect.stringContaining('platform: 3 samples: 3 accepted')])
    expect(stderr).toContain('pb failed: The platform answered with status 403.')
    expect(stdout + stderr).not.toContain('secret-of')
    expect(await usageOf('pa')).toMatchObject({ total_mcp_calls: '3', max_database_size_bytes: '100', max_file_storage_bytes: '7' })
    expect(new URL(backend.requests[0]?.path ?? '', 'http://x').searchParams.get('end_date')).toMatch(/:00:00\.000Z$/)
  })

  test('reads the counts of missed hours after an interruption, and reports their sizes as gaps', async () => {
    answers['pc'] = () => stats(2)
    const [sources, state] = [sourcesOf('pc'), pathOf('pc.state')]
    const args = ['platform', '--sources', sources, '--state', state, '--slot', '1d', ...settle]
    expect(await collect(args)).toMatchObject({ code: 0, stdout: expect.stringContaining('3 accepted') })
    const saved = JSON.parse(readFileSync(state, 'utf8'))
    const back = (time: string, hours: number) => new Date(Date.parse(time) - hours * HOUR_MS).toISOString()
    const last_slots = saved.last_slots.map((each: { slot: string }) => ({ ...each, slot: back(each.slot, 72) }))
    const counted_through = saved.counted_through.map((each: { until: string }) => ({ ...each, until: back(each.until, 5) }))
    writeFileSync(state, JSON.stringify({ ...saved, last_slots, counted_through }))
    const { code, stdout } = await collect([...args, '--json'])
    const [summary] = linesOf(stdout)
    expect([code, summary.accepted, summary.duplicates]).toEqual([0, 4, 3])
    expect(summary.gaps).toMatchObject([{ metric: 'database_size_bytes' }, { metric: 'file_storage_bytes' }])
    expect(await usageOf('pc')).toMatchObject({ total_mcp_calls: '10' })
    expect(hoursOf('pc')).toBe(6)
  })

  test('rejects a count that changed after it was counted, and says what to do', async () => {
    answers['pd'] = () => stats(1)
    const args = ['platform', '--project', 'pd', '--platform-url', `http://127.0.0.1:${backend.port}/pd`, ...settle]
    const token = { METERLINE_SOURCE_TOKEN: 'secret-of-pd' }
    expect(await collect(args, token)).toMatchObject({ code: 0 })
    answers['pd'] = () => stats(4)
    const { code, stdout, stderr } = await collect([...args, '--json'], token)
    expect([code, linesOf(stdout)[0].rejected]).toEqual([1, [expect.objectContaining({ project_id: 'pd', value: '4', reason: 'conflict' })]])
    expect(JSON.parse(stderr)).toMatchObject({ code: 'EVENTS_REJECTED', next: expect.stringContaining('meterline emit') })
    expect(await usageOf('pd')).toMatchObject({ total_mcp_calls: '1' })
    const without = await collect(args)
    expect(without).toMatchObject({ code: 1, stderr: expect.stringContaining('METERLINE_SOURCE_TOKEN is not set') })
  })
})

test.each([
  [['folder', '.', '--slot', '2h30m'], '--slot "2h30m" is not a duration'],
  [['folder', '.', '--every', '0s'], '--every "0s"'],
  [['folder', '.', '--project-pattern', '(.*)'], '(?<project>'],
  [['folder', '.', '--projects', '/none.json'], 'cannot be read'],
  [['listing', '--every', '1h'], "unknown option '--every'"],
  [['postgres', '--connection', 'postgresql://u:p@db/x'], 'PGPASSWORD'],
  [['platform'], '--sources, or --project and --platform-url'],
  [['platform', '--project', 'p', '--platform-url', 'ftp://x'], 'not an http or https URL'],
  [['access-log', 'x', '--project-pattern', '(?<project>.)', '--calls', 'requests'], '--calls "requests" is none of ai_tokens'],
  [['access-log', 'x', '--project-pattern', '(?<project>.)', '--bytes', 'none'], '--bytes and --calls'],
  [['access-log', 'x', '--project-pattern', '(?<project>.)', '--by', 'query'], 'none of path, host'],
  [['access-log', 'x', '--project-pattern', '(?<project>.)', '--calls', 'mcp_calls', '--status', '200'], '--status "200"'],
])('the mistake in the call %j is explained, and nothing is sent', async (args, message) => {
  expect(await collect(args)).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(message) })
})

test('another kind of credentials is 5, a wrong ingest key is 2', async () => {
  const store = makeStore('auth', 1)
  expect(await collect(['folder', store], { METERLINE_ACCESS_TOKEN: tested.service.adminToken })).toMatchObject({ code: 5, stdout: '' })
  const wrong = await collect(['folder', store], { METERLINE_ACCESS_TOKEN: `mli_${'x'.repeat(32)}` })
  expect(wrong).toMatchObject({ code: 2, stdout: expect.stringContaining('1 not delivered'), stderr: expect.stringContaining('1 sample was not delivered') })
})
