import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credentials } from '../support/clients/client.ts'
import { runHere } from '../support/clients/run-here.ts'
import { spawnMeterline } from '../support/engines/service-process.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

const PROJECTS = 7

let tested: TestService
let partner: Credentials
let admin: Record<string, string>
beforeAll(async () => {
  tested = await startTestService()
  const { client, service } = tested
  partner = await client.createPartner('Ours')
  for (let index = 0; index < PROJECTS; index += 1) await client.registerProject(`p-${index}`, partner.partnerId)
  await client.createIngestKey()
  admin = { METERLINE_URL: service.url, METERLINE_ACCESS_TOKEN: service.adminToken }
})
afterAll(() => tested.stop())

describe('the command "api"', () => {
  test('prints the body of the answer unchanged, with whichever credentials there are', async () => {
    const { client } = tested
    const path = `/partnership/v1/${partner.partnerId}/usage?start_date=2026-01-01&end_date=2026-01-31`
    const { text } = await client.partner(partner, 'GET', `/usage?start_date=2026-01-01&end_date=2026-01-31`)
    const own = { ...admin, METERLINE_ACCESS_TOKEN: partner.secret }
    const { code, stdout, stderr } = await runHere(['api', 'get', path], own)
    expect([code, stderr]).toEqual([0, ''])
    const withoutTime = (body: string) => body.replace(/"as_of":"[^"]*"/, '')
    expect(withoutTime(stdout)).toBe(withoutTime(text))
    const emitter = { ...admin, METERLINE_ACCESS_TOKEN: client.ingestKey }
    const sent = '{"event_id":"e","project_id":"p-1","metric":"ai_tokens","value":"12345678901234567890.5","timestamp":"2026-01-03T10:00:00Z"}'
    expect(JSON.parse((await runHere(['api', 'POST', '/v1/events', '--data', sent], emitter)).stdout)).toMatchObject({ accepted: 1 })
    const lines = ['--data', `${sent}\n${sent}`, '--header', 'content-type: application/x-ndjson']
    expect(JSON.parse((await runHere(['api', 'POST', '/v1/events', ...lines], emitter)).stdout)).toMatchObject({ duplicates: 2 })
  })

  test('a failed call prints nothing on stdout and ends with the exit code of its status', async () => {
    for (const [path, exit, message] of [
      ['/admin/v1/partners/unknown', 4, 'not found'],
      ['/admin/v1/tokens', 5, 'admin token'],
      ['/nothing', 4, 'all routes'],
    ] as const) {
      const token = path.endsWith('tokens')
        ? (await tested.client.admin('POST', '/admin/v1/tokens', { role: 'finance' })).body.token
        : tested.service.adminToken
      const { code, stdout, stderr } = await runHere(['--json', 'api', 'GET', path], { ...admin, METERLINE_ACCESS_TOKEN: token })
      expect([path, code, stdout]).toEqual([path, exit, ''])
      expect(JSON.parse(stderr)).toMatchObject({
        code: expect.any(String),
        request_id: expect.any(String),
        error: expect.stringMatching(new RegExp(message, 'i')),
      })
    }
    expect(await runHere(['api', 'GET', '/version'], { ...admin, METERLINE_URL: 'http://127.0.0.1:9' })).toMatchObject({ code: 1, stdout: '' })
    expect(await runHere(['api', 'GET', '/admin/v1/partners'], { ...admin, METERLINE_ACCESS_TOKEN: 'wrong' })).toMatchObject({ code: 2, stdout: '' })
  })

  test('--paginate prints all pages as one body; an answer without pages is reported', async () => {
    const path = `/admin/v1/projects?partner_id=${partner.partnerId}&limit=3`
    const { code, stdout } = await runHere(['api', 'GET', path, '--paginate'], admin)
    expect(code).toBe(0)
    const { projects, next_cursor } = JSON.parse(stdout)
    expect([projects.map(({ id }: { id: string }) => id).sort(), next_cursor]).toEqual([Array.from({ length: PROJECTS }, (_, index) => `p-${index}`), null])
    expect(await runHere(['api', 'GET', '/version', '--paginate'], admin)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('--paginate'),
    })
  })

  test('the body comes from the argument, a file or stdin', async () => {
    const file = join(import.meta.dirname, '../../package.json')
    expect(await runHere(['api', 'POST', '/admin/v1/partners', '--data', `@${file}`], admin)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('body'),
    })
    const child = spawnMeterline(['api', 'POST', '/admin/v1/partners', '--data', '-'], admin, { stdin: 'pipe' })
    child.stdin?.end('{"name":"From stdin"}')
    await once(child, 'close')
    expect(child.exitCode).toBe(0)
    expect((await tested.client.admin('GET', '/admin/v1/partners')).text).toContain('"From stdin"')
    expect(await runHere(['api', 'POST', '/admin/v1/partners', '--data', '{"name":"Theirs"}'], admin)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('"Theirs"'),
    })
  })

  test.each([
    [['api', 'GET', 'version'], 'does not begin with "/"'],
    [['api', 'GET', 'https://example.com/version'], 'does not begin with "/"'],
    [['api', 'GET'], 'path of the call is missing'],
    [['api', 'HEAD', '/version'], 'GET, POST, PUT, PATCH, DELETE'],
    [['api', 'GET', '/version', '--data', '{}'], '--data'],
    [['api', 'POST', '/version', '--paginate'], '--paginate'],
    [['api', 'POST', '/version', '--data', '@/nowhere/file'], 'cannot be read (ENOENT)'],
    [['api', 'GET', '/version', '--header', 'Authorization: Bearer x'], 'Authorization is a credential'],
    [['api', 'GET', '/version', '--header', 'X-Partnership-Secret:x'], 'is a credential'],
    [['api', 'GET', '/version', '--header', 'Host:x'], 'belongs to the connection'],
    [['api', 'GET', '/version', '--header', 'no colon'], 'name:value'],
    [['api', 'GET', '/version', '--header', 'x:a\r\nb:c'], 'name:value'],
    [['api', '--data', '{}'], 'are for a call'],
  ])('%j is an error that says what to do, and prints no value of a header', async (args, message) => {
    const { code, stdout, stderr } = await runHere(args, admin)
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain(message)
    expect(stderr).not.toContain('Bearer x')
  })
})

describe('credentials of the command "api"', () => {
  const servers: Server[] = []
  const seen: IncomingMessage[] = []
  const listen = async (location?: string) => {
    const server = createServer((request, response) => {
      seen.push(request)
      response.writeHead(location === undefined ? 200 : 302, location === undefined ? {} : { location }).end('{}')
    }).listen(0, '127.0.0.1')
    servers.push(server)
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  afterAll(() => {
    for (const server of servers) server.close()
  })

  test('go to the host of the service only, whatever the path and wherever it redirects to', async () => {
    const other = await listen()
    const { host } = new URL(other)
    for (const path of [`//${host}/version`, `/@${host}/version`, `/\\${host}/version`])
      expect(await runHere(['api', 'GET', path], admin)).toMatchObject({ stdout: '' })
    const redirecting = await listen(`${other}/version`)
    for (const secret of ['mls_secret', 'token']) {
      const { code, stdout, stderr } = await runHere(['api', 'GET', '/version'], { METERLINE_URL: redirecting, METERLINE_ACCESS_TOKEN: secret })
      expect([code, stdout, stderr]).toEqual([1, '', expect.stringContaining('redirects to')])
    }
    expect(seen.filter((request) => request.headers.host === host)).toEqual([])
    expect(seen).toHaveLength(2)
  })
})
