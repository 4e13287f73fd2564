import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RecentLogs } from '../../api/service-logs/recent-logs.ts'
import { visibleLine } from '../../api/service-logs/visible-line.ts'
import { LIST_SERVICE_LOGS, LOG_LINES_MAX } from '../../contract/service-logs.ts'
import { openLogging } from '../../service/open-logging.ts'
import { runHere } from '../support/clients/run-here.ts'
import { freePort } from '../support/engines/free-port.ts'
import { copyMigratedDirectory } from '../support/engines/migrated-directory.ts'
import { spawnMeterline } from '../support/engines/service-process.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { untilSo } from '../support/until-so.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

const directory = makeTemporaryDirectory()
let port: string
let tested: TestService
let admin: Record<string, string>
const start = () => startTestService({ DATA_DIR: directory.path, PORT: port, LOG_LEVEL: 'info' }, () => undefined)
beforeAll(async () => {
  copyMigratedDirectory(directory.path)
  port = String(await freePort())
  tested = await start()
  admin = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: tested.service.adminToken }
})
afterAll(async () => {
  await tested.stop()
  directory.remove()
})

const jsonLines = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

describe('the command "logs"', () => {
  test('prints the latest lines of a source, whatever the case of its name; with --json a document a line', async () => {
    await tested.client.admin('GET', '/admin/v1/partners')
    await tested.client.admin('GET', '/admin/v1/partners/unknown')
    const { code, stdout, stderr } = await runHere(['logs', 'API', '--limit', '2'], admin)
    expect(code).toBe(0)
    expect(stdout.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^\S+Z +INFO +api +request method=GET route=\/admin\/v1\/partners status=200 ms=\S+ requestId=\S+ actor=admin$/),
      expect.stringMatching(/status=404 .*code=PARTNER_NOT_FOUND/),
    ])
    expect(stderr).toMatch(/^Of process \d+ on \S+ \(part all, started at .*Z\); other processes answer for themselves/)
    const lines = jsonLines((await runHere(['--json', 'logs', 'api', '--limit', '1'], admin)).stdout)
    expect(lines).toEqual([expect.objectContaining({ source: 'api', level: 'info', process: { host: expect.any(String), pid: process.pid } })])
    const sources = new Set(jsonLines((await runHere(['--json', 'logs', '--limit', String(LOG_LINES_MAX)], admin)).stdout).map(({ source }) => source))
    expect(sources.has('audit')).toBe(true)
    const ofAudit = jsonLines((await runHere(['--json', 'logs', 'Audit', '--level', 'INFO'], admin)).stdout)
    expect(ofAudit).toContainEqual(
      expect.objectContaining({
        source: 'audit',
        message: expect.stringContaining('audit log'),
        fields: expect.objectContaining({ entries: expect.any(Number) }),
      }),
    )
    expect((await runHere(['logs', 'api', '--level', 'error'], admin)).stdout).toBe('')
  })

  test.each([
    [['logs', 'database'], 'api, ingest, aggregate, automation, audit, service'],
    [['logs', '--level', 'loud'], 'trace, debug, info, warn, error, fatal'],
    [['logs', '--limit', '0'], '1 to 1000'],
    [['logs', '--limit', '1001'], '1 to 1000'],
    [['logs', '--limit', 'all'], '1 to 1000'],
  ])('%j is an error that names what is allowed', async (args, message) => {
    expect(await runHere(args, admin)).toEqual({ code: 1, stdout: '', stderr: expect.stringContaining(message) })
  })

  test('no credential that was sent, and none of the service itself, is in any line', async () => {
    const { client, service } = tested
    const partner = await client.createPartner('Secret')
    const key = await client.createIngestKey()
    const token = (await client.admin('POST', '/admin/v1/tokens', { role: 'operator' })).body.token
    const secrets = [partner.secret, key, token, service.adminToken, 'mls_wrong-secret', 'hunter2-in-a-path']
    for (const secret of secrets) {
      for (const path of [`/partnership/v1/${secret}/usage`, `/admin/v1/partners/${secret}`, `/${secret}`, `/admin/v1/projects?search=${secret}`])
        await client.call('GET', path, { headers: { authorization: `Bearer ${secret}`, 'x-partnership-secret': secret } })
      await client.admin('POST', '/api/secrets', { key: 'KEY', value: secret })
    }
    const { text } = await client.admin('GET', `${LIST_SERVICE_LOGS.path}?limit=${LOG_LINES_MAX}`)
    expect(text.length).toBeGreaterThan(2_000)
    for (const secret of secrets) expect([secret, text.includes(secret)]).toEqual([secret, false])
  })

  test('--follow prints each new line once, through a restart of the service, and reports the gap', async () => {
    const child: ChildProcess = spawnMeterline(['--json', 'logs', 'api', '--limit', '1', '--follow'], admin)
    const seen: { gap?: string; fields?: { route: string; status: number } }[] = []
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => seen.push(JSON.parse(line)))
    const countOf = (route: string) => seen.filter(({ fields }) => fields?.route === route).length
    await untilSo(async () => seen.length > 0)
    for (let times = 0; times < 3; times += 1) await tested.client.admin('GET', '/admin/v1/tokens')
    await untilSo(async () => countOf('/admin/v1/tokens') === 3)
    await tested.stop()
    tested = await start()
    await tested.client.admin('GET', '/admin/v1/accounts')
    await untilSo(async () => countOf('/admin/v1/accounts') === 1)
    expect(seen.map(({ gap }) => gap).filter((gap) => gap !== undefined)).toEqual(['other_process'])
    expect(countOf('/admin/v1/tokens')).toBe(3)
    expect(countOf(LIST_SERVICE_LOGS.path)).toBe(0)
    child.kill()
    await once(child, 'exit')
  })
})

describe('the lines that a process keeps', () => {
  const line = (fields: object) => `{"level":30,"time":1770197400118,"pid":1,"hostname":"h",${JSON.stringify(fields).slice(1)}\n`
  const all = { source: undefined, level: undefined, limit: 10_000, after: undefined }

  test('are at most so many of each source, and a line that was dropped after the cursor is a gap', () => {
    const logs = new RecentLogs()
    logs.add(line({ source: 'ingest', msg: 'first' }))
    const { cursor } = logs.read(all)
    for (let index = 0; index < LOG_LINES_MAX + 5; index += 1) logs.add(line({ source: 'api', msg: `request ${index}` }))
    expect(logs.read(all).lines).toHaveLength(LOG_LINES_MAX + 1)
    expect(logs.read({ ...all, source: 'ingest', after: [cursor] })).toMatchObject({ lines: [], gap: null })
    expect(logs.read({ ...all, source: 'api', after: [cursor] })).toMatchObject({ gap: 'dropped' })
    const next = logs.read({ ...all, limit: 3, after: [logs.read(all).cursor, 'other-01.7'] })
    expect(next).toMatchObject({ lines: [], gap: null })
    expect(logs.read({ ...all, after: ['other-01.7'] })).toMatchObject({ gap: 'other_process' })
  })

  test('take at most 512 KiB of each source; a very long line is a remark', () => {
    const logs = new RecentLogs()
    for (let index = 0; index < 200; index += 1) logs.add(line({ source: 'api', msg: 'x'.repeat(15_000) }))
    const { lines } = logs.read(all)
    expect(lines.reduce((sum, { text }) => sum + text.length, 0)).toBeLessThanOrEqual(512 * 1_024)
    expect(lines.length).toBeGreaterThan(30)
    logs.add(line({ source: 'audit', msg: 'x'.repeat(100_000) }))
    expect(logs.read({ ...all, source: 'audit' }).lines).toMatchObject([{ text: expect.stringMatching(/A line of \d+ characters/) }])
  })

  test('a page after a cursor is continued without a loss and without a repetition', () => {
    const logs = new RecentLogs()
    let { cursor } = logs.read(all)
    for (let index = 0; index < 25; index += 1) logs.add(line({ source: index % 2 === 0 ? 'api' : 'ingest', msg: `${index}` }))
    const read: string[] = []
    for (let page = logs.read({ ...all, limit: 10, after: [cursor] }); page.lines.length > 0; page = logs.read({ ...all, limit: 10, after: [cursor] })) {
      read.push(...page.lines.map(({ text }) => JSON.parse(text).msg))
      cursor = page.cursor
    }
    expect(read).toEqual(Array.from({ length: 25 }, (_, index) => `${index}`))
  })

  test('are shown with the listed fields only, and without anything that looks like a credential', () => {
    const { logger, recentLogs } = openLogging({ level: 'info' }, { write: () => undefined })
    const cause = Object.assign(new Error('SELECT the-token-of-admin'), { code: 'E42' })
    logger.child({ source: 'ingest' }).error(
      {
        err: cause,
        sql: 'hidden',
        events: 3,
        reason: 'http://user:pass-word@host/ with mls_abc and eyJhbGciOiJ9.eyJzdWIi.c2ln',
        ids: { partner: 'p_1', other: 'x' },
      },
      'Bearer abc the-token-of-admin',
    )
    const [kept] = recentLogs.read(all).lines
    if (kept === undefined) throw new Error('The line was not kept.')
    expect(visibleLine(kept, ['the-token-of-admin'])).toEqual({
      ...{ time: expect.any(String), level: 'error', source: 'ingest', message: '[hidden] [hidden]' },
      fields: { events: 3, reason: 'http://[hidden]@host/ with [hidden] and [hidden]', partner: 'p_1', error: 'Error E42' },
    })
  })
})
