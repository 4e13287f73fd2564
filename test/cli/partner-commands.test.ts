import { mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Credentials } from '../support/clients/client.ts'
import { craftToken, hs256 } from '../support/clients/crafted-token.ts'
import { runHere } from '../support/clients/run-here.ts'
import { spawnMeterline } from '../support/engines/service-process.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { storeRawEvents } from '../support/worlds/store-raw-events.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

let tested: TestService
let partner: Credentials
/** Of the partner, as variables. */
let own: Record<string, string>
const temporary = makeTemporaryDirectory()
const closers: (() => void)[] = []
beforeAll(async () => {
  tested = await startTestService()
  partner = await tested.client.createPartner('Ours')
  own = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: partner.secret, METERLINE_PARTNER_ID: partner.partnerId }
  await tested.client.registerProject('shop', partner.partnerId, { name: 'Shop' })
  await tested.client.registerProject('old', partner.partnerId, { name: 'Old "shop", closed' })
  await storeRawEvents(tested.service.clickhouse, [
    ['shop', 'd1', 'database_size_bytes', '2026-01-03T08:00:00Z', '1500', '2026-01-03T08:00:01Z'],
    ['shop', 'd2', 'database_size_bytes', '2026-01-05T08:00:00Z', '2500000', '2026-01-05T08:00:01Z'],
    ['shop', 'c1', 'ai_credits', '2026-01-05T09:00:00Z', '0.000000001', '2026-01-05T09:00:01Z'],
    ['old', 'm1', 'mcp_calls', '2026-01-04T09:00:00Z', '7', '2026-01-04T09:00:01Z'],
  ])
  await tested.client.partner(partner, 'DELETE', '/old')
})
afterAll(async () => {
  for (const close of closers) close()
  await tested.stop()
  temporary.remove()
})

/** A directory that is linked to nothing, with a place for credentials beside it. */
let directory: string
let home: Record<string, string>
beforeEach(() => {
  directory = mkdtempSync(join(temporary.path, 'work-'))
  home = { XDG_CONFIG_HOME: mkdtempSync(join(temporary.path, 'config-')) }
})

test('login stores what the service accepted, for the owner of the file alone; logout forgets it', async () => {
  const done = await runHere(['login'], { ...home, ...own }, directory)
  expect(done.code).toBe(0)
  expect(done.stdout).toBe(`Logged in: partner Ours (${partner.partnerId}) at ${tested.service.url}\n`)
  const file = join(home['XDG_CONFIG_HOME'] ?? '', 'meterline', 'credentials.json')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  const { code, stdout, stderr } = await runHere(['whoami', '--json'], home, directory)
  expect([code, stderr]).toEqual([0, ''])
  expect(JSON.parse(stdout)).toMatchObject({ kind: 'partner', partner_id: partner.partnerId, partner_name: 'Ours', source: 'the profile "default"' })
  expect((await runHere(['logout'], home, directory)).stdout).toBe('Forgotten: default\n')
  expect(readFileSync(file, 'utf8')).not.toContain(partner.secret)
  expect((await runHere(['whoami'], home, directory)).code).toBe(2)
})

test('each kind of credential is recognized, and works under a name of its own', async () => {
  const ingestKey = await tested.client.createIngestKey()
  const kinds = [
    ['ops', tested.service.adminToken, 'the admin token'],
    ['emitter', ingestKey, 'an ingest key'],
  ] as const
  for (const [profile, secret, name] of kinds) {
    const { stdout } = await runHere(['login', '--profile', profile], { ...home, ...own, METERLINE_ACCESS_TOKEN: secret }, directory)
    expect(stdout).toBe(`Logged in: ${name} at ${tested.service.url}\n`)
  }
  expect((await runHere(['keys', 'list', '--profile', 'ops'], home, directory)).code).toBe(0)
  const { code, stdout, stderr } = await runHere(['keys', 'list', '--profile', 'emitter'], home, directory)
  expect([code, stdout]).toEqual([5, ''])
  expect(stderr).toContain('This command needs an admin token; the profile "emitter" is an ingest key.')
})

test('a text that is no credential ends with code 2 and the mark of the one that is needed, and an admin token with 5', async () => {
  for (const args of [['usage'], ['list'], ['link', 'shop']])
    expect(await runHere(args, { ...own, METERLINE_ACCESS_TOKEN: 'wrong-token' }, directory)).toEqual({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/is no credential of Meterline\.\nCheck what it is set to: a partner secret begins with "mls_"/),
    })
  const asEmitter = { ...own, METERLINE_ACCESS_TOKEN: 'wrong-token' }
  expect(await runHere(['emit', '--project', 'shop', '--metric', 'ai_tokens', '--value', '1'], asEmitter, directory)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('an ingest key begins with "mli_"'),
  })
  expect(await runHere(['keys', 'list'], asEmitter, directory)).toMatchObject({ code: 2, stdout: '' })
  const asOperator = { ...own, METERLINE_ACCESS_TOKEN: tested.service.adminToken }
  expect(await runHere(['usage'], asOperator, directory)).toMatchObject({ code: 5, stderr: expect.stringContaining('something else, perhaps an admin token') })
})

test('login with wrong credentials stores nothing', async () => {
  for (const secret of ['mls_wrong', 'wrong', 'mli_wrong']) {
    const { code, stdout } = await runHere(['login', '--json'], { ...home, ...own, METERLINE_ACCESS_TOKEN: secret }, directory)
    expect([secret, code, stdout]).toEqual([secret, 2, ''])
  }
  expect((await runHere(['current'], home, directory)).code).toBe(2)
})

test('create links the directory without a secret in it, and commands there need no id', async () => {
  const { code, stdout } = await runHere(['create', 'new shop'], own, directory)
  expect(code).toBe(0)
  const link = readFileSync(join(directory, '.meterline', 'project.json'), 'utf8')
  const { project_id } = JSON.parse(link) as { project_id: string }
  expect(stdout).toContain(`new shop is project ${project_id} (active)`)
  expect(link).not.toContain(partner.secret)
  expect(readFileSync(join(directory, '.meterline', '.gitignore'), 'utf8')).toBe('*\n')
  const metadata = await runHere(['metadata'], own, directory)
  const asJson = await runHere(['metadata', '--json'], own, directory)
  const { api_key } = (JSON.parse(asJson.stdout) as { project: { api_key: string } }).project
  expect(metadata.stdout).toMatch(/^status +active$/m)
  expect(metadata.stdout + metadata.stderr).not.toContain(api_key)
  const current = await runHere(['current', '--json'], own, directory)
  expect(JSON.parse(current.stdout)).toMatchObject({ project: { id: project_id, name: 'new shop' } })
  expect(current.stdout).not.toContain(partner.secret)
  expect((await runHere(['link', 'shop'], own, directory)).stdout).toBe('This directory is linked to Shop (shop).\n')
  expect((await runHere(['link', 'nobody'], own, directory)).code).toBe(4)
})

test('a project is paused, restored and deleted; a deletion needs a yes', async () => {
  await tested.client.registerProject('short', partner.partnerId, { name: 'Short' })
  expect((await runHere(['pause', 'short', '--wait'], own)).stdout).toBe('short is paused.\n')
  expect((await runHere(['wait', 'short', '--status', 'paused', '--timeout', '0'], own)).code).toBe(0)
  expect((await runHere(['restore', 'short'], own)).stdout).toBe('short is active.\n')
  const asked = await runHere(['delete', 'short', '--json'], own)
  expect([asked.code, asked.stdout]).toEqual([1, ''])
  expect(JSON.parse(asked.stderr)).toMatchObject({
    error: 'This needs a confirmation: Delete Short (short) permanently?',
    next: expect.stringContaining('--yes'),
  })
  expect((await runHere(['wait', 'short', '--timeout', '0'], own)).stdout).toBe('short is active.\n')
  expect((await runHere(['delete', 'short', '--yes'], own)).stdout).toBe('short is deleted.\n')
  expect((await runHere(['wait', 'short'], own)).stderr).toContain('short is deleted, and that is final.')
})

test.each<[string[], string, string]>([
  [['explain', '--metric', 'ai_token'], '--metric: must be one of database_size_bytes, file_storage_bytes, ai_tokens, ', 'Did you mean "ai_tokens"?'],
  [['list', '--sort=-nam'], '--sort: must be one of name, created_at, last_activity_at, ', 'Did you mean "-name"?'],
  [['list', '--status', 'pausd'], '--status: must be one of active, paused, deleted.', 'Did you mean "paused"?'],
  [['export', '--month', '2026-01', '--format', 'parqet'], '--format: must be one of csv, ', 'Did you mean "parquet"?'],
  [['usage', '--by', 'projct'], '--by "projct" is none of metric, day, project.', 'Did you mean "project"?'],
])('the wrong value in %j is answered with the names to choose from, each once, and the one that is near', async (args, list, near) => {
  const { code, stdout, stderr } = await runHere(args, own, directory)
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toContain(list)
  expect(stderr).toContain(near)
  // No further ways to write a name: those of usage summaries, or each order with "-".
  expect(stderr.split(near)[0]).not.toMatch(/\bdatabase_bytes|, -created_at/)
})

test('wait goes on through answers that can be repeated and a connection that breaks', async () => {
  let calls = 0
  const url = await listen(async (request, response) => {
    calls += 1
    if (calls === 1) return response.writeHead(503, { 'content-type': 'application/json' }).end('{}')
    if (calls === 2) return response.writeHead(408, { 'content-type': 'text/plain' }).end('')
    if (calls === 3) return response.destroy()
    const answer = await fetch(`${tested.service.url}${request.url}`, { headers: { 'x-partnership-secret': partner.secret } })
    return response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
  })
  expect(await runHere(['wait', 'shop'], { ...own, METERLINE_URL: url })).toEqual({ code: 0, stdout: 'shop is active.\n', stderr: '' })
  expect(calls).toBe(4)
  expect((await runHere(['wait', 'nobody'], { ...own, METERLINE_URL: url })).code).toBe(4)
})

test('usage is a table with how each metric adds up, and what is no data is on stderr', async () => {
  const { code, stdout, stderr } = await runHere(['usage', '--month', '2026-01'], own)
  expect(code).toBe(0)
  expect(stdout).toMatch(/│ database_size_bytes +│ peak +│ byte +│ +2,500,000 │ 2026-01-05 │/)
  expect(stdout).toMatch(/│ ai_credits +│ sum +│ credit +│ 0\.000000001 │ +│/)
  expect(stderr).toMatch(/^Usage of Ours, 2026-01-01 to 2026-01-31: complete up to 2\d{3}-.*, \w+\.\n$/)
})

test('of a month that has not begun, usage and explain say so, where zeros would look like a month without usage', async () => {
  const note = 'This period has not begun: it begins on 2100-01-01 (UTC), so there is no usage yet.'
  const { code, stderr } = await runHere(['usage', '--month', '2100-01'], own)
  expect([code, stderr.split('\n')]).toEqual([0, expect.arrayContaining([note])])
  expect((await runHere(['explain', '--project', 'shop', '--metric', 'ai_tokens', '--month', '2100-01'], own)).stdout).toContain(note)
  expect((await runHere(['usage', '--month', '2026-01'], own)).stderr).not.toContain('has not begun')
})

test('usage by day marks the day of a peak; by project it has deleted projects with their day', async () => {
  const byDay = await runHere(['usage', 'shop', '--month', '2026-01', '--by', 'day'], own)
  expect(byDay.stdout).toMatch(/│ 2026-01-03 │ +1,500 │/)
  expect(byDay.stdout).toMatch(/│ 2026-01-05 │ +2,500,000 ▲ │/)
  const deletedDay = new Date().toISOString().slice(0, 10)
  const byProject = await runHere(['usage', '--month', '2026-01', '--by', 'project'], own)
  expect(byProject.stdout).toMatch(new RegExp(`│ old +│ Old "shop", closed +│ deleted │ ${deletedDay} │`))
  const csv = await runHere(['usage', '--month', '2026-01', '--by', 'project', '--format', 'csv'], own)
  expect(csv.stdout).toContain(`\nold,"Old ""shop"", closed",deleted,${deletedDay},0,`)
  expect(csv.stdout).toMatch(/^shop,Shop,active,,2500000,/m)
})

test('--json prints the body of the service unchanged', async () => {
  const path = `/shop/usage?start_date=2026-01-01&end_date=2026-01-31`
  const { stdout, stderr } = await runHere(['usage', 'shop', '--month', '2026-01', '--json'], own)
  const { text } = await tested.client.partner(partner, 'GET', path)
  expect([stdout, stderr]).toEqual([`${text}\n`, ''])
  expect(stdout).toContain('0.000000001')
})

test('a list has the rows of all pages, and a reader that has seen enough ends it without an error', async () => {
  const projects = Array.from({ length: 1_000 }, (_, index) => ({ id: `p-${index}`, partner_id: partner.partnerId, name: `Project ${index}` }))
  expect((await tested.client.admin('POST', '/admin/v1/projects/batch', { projects })).status).toBe(200)
  const { stdout } = await runHere(['list', '--search', 'Project ', '--json'], own)
  const list = JSON.parse(stdout) as { projects: { id: string }[]; next_cursor: string | null }
  expect([list.projects.length, new Set(list.projects.map(({ id }) => id)).size, list.next_cursor]).toEqual([1_000, 1_000, null])
  const child = spawnMeterline(['list', '--json'], own)
  child.stdout?.once('data', () => child.stdout?.destroy())
  const stderr = (async () => (await child.stderr?.toArray())?.join(''))()
  const code = await new Promise((resolve) => child.once('close', resolve))
  expect([code, await stderr]).toEqual([0, ''])
})

test.each([
  [['usage'], { METERLINE_ACCESS_TOKEN: 'mls_wrong' }, 2, 'UNAUTHENTICATED', 'meterline login'],
  [['usage'], { METERLINE_ACCESS_TOKEN: 'mlk_of_a_project' }, 2, 'NOT_AUTHENTICATED', null],
  [['usage'], { METERLINE_PARTNER_ID: '' }, 1, 'INVALID_USAGE', '--partner'],
  [['usage'], { METERLINE_URL: 'http://127.0.0.1:9' }, 1, 'UNREACHABLE', null],
  [['usage'], { METERLINE_URL: 'meterline.example.com' }, 1, 'INVALID_USAGE', 'https://'],
  [['usage', 'nobody'], {}, 4, 'PROJECT_NOT_FOUND', null],
  [['metadata'], {}, 3, 'PROJECT_NOT_LINKED', 'meterline link'],
  [['keys', 'list'], {}, 5, 'PERMISSION_DENIED', 'meterline login --profile'],
  [['list', '--sort', 'size'], {}, 1, 'INVALID_REQUEST', null],
  [['create', 'x', '--user-email', 'a@example.com'], {}, 1, 'INVALID_USAGE', null],
] as const)('%j with %j exits %i with %s', async (args, changed, code, name, next) => {
  const failed = await runHere([...args, '--json'], { ...own, ...changed }, directory)
  expect([failed.code, failed.stdout]).toEqual([code, ''])
  expect(failed.stderr.trimEnd().split('\n')).toHaveLength(1)
  const error = JSON.parse(failed.stderr) as { code: string; next: string | null; error: string }
  expect(error).toMatchObject({ code: name, error: expect.any(String) })
  if (next !== null) expect(error.next).toContain(next)
  const plain = await runHere(args, { ...own, ...changed }, directory)
  expect([plain.code, plain.stdout, plain.stderr.startsWith(`error: ${error.error}`)]).toEqual([code, '', true])
})

test('an expired code of a project is reported before any call', async () => {
  const expired = craftToken({ header: { alg: 'HS256' }, claims: { sub: 'shop', partner: partner.partnerId, exp: 1_700_000_000 } }, hs256('any'))
  const { code, stderr } = await runHere(['usage'], { ...own, METERLINE_URL: 'http://127.0.0.1:9', METERLINE_ACCESS_TOKEN: expired })
  expect([code, stderr]).toEqual([2, expect.stringContaining('METERLINE_ACCESS_TOKEN expired at 2023-11-14')])
})

test('no credentials are sent to a service that only a linked directory names', async () => {
  const received: unknown[] = []
  const url = await listen((request, response) => {
    received.push(request.headers)
    response.end('{}')
  })
  await runHere(['link', 'shop'], own, directory)
  const path = join(directory, '.meterline', 'project.json')
  const link = readFileSync(path, 'utf8').replace(tested.service.url, url)
  writeFileSync(path, link)
  const { METERLINE_URL: _, ...withoutUrl } = own
  const byVariable = await runHere(['usage'], withoutUrl, directory)
  expect([byVariable.code, byVariable.stderr]).toEqual([1, expect.stringContaining('it is sent nowhere before')])
  await runHere(['login'], { ...home, ...own }, temporary.path)
  const byProfile = await runHere(['usage'], home, directory)
  expect([byProfile.code, byProfile.stderr]).toEqual([2, expect.stringContaining(`Log in there: meterline login --url ${url}`)])
  expect(received).toEqual([])
})

test('no credentials follow a redirect', async () => {
  const received: unknown[] = []
  const elsewhere = await listen((request, response) => {
    received.push(request.headers)
    response.end('{}')
  })
  const url = await listen((request, response) => response.writeHead(307, { location: `${elsewhere}${request.url}` }).end())
  const { code, stderr } = await runHere(['usage'], { ...own, METERLINE_URL: url })
  expect([code, stderr, received]).toEqual([1, expect.stringContaining('redirect'), []])
})

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('"token partner" prints only a token, which reads usage and is no credential of this program', async () => {
  const { code, stdout } = await runHere(['token', 'partner', '--expires-in', '60'], own)
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+\n$/)])
  const headers = { authorization: `Bearer ${stdout.trim()}` }
  expect((await tested.client.call('GET', `/partnership/v1/${partner.partnerId}/usage`, { headers })).status).toBe(200)
  expect(await runHere(['usage'], { ...own, METERLINE_ACCESS_TOKEN: stdout.trim() })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('token for pages'),
  })
  expect(await runHere(['token', 'partner', '--expires-in', '1h'], own)).toMatchObject({ code: 1, stderr: expect.stringContaining('"1h"') })
  expect(await runHere(['token', 'partner', '--expires-in', '3601'], own)).toMatchObject({ code: 1, stderr: expect.stringContaining('error: --expires-in: ') })
})
