import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runHere } from '../support/clients/run-here.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

let tested: TestService
let environment: Record<string, string>
const servers: Server[] = []
beforeAll(async () => {
  tested = await startTestService({ RATE_LIMIT_PER_MINUTE: '20' })
  environment = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: tested.service.adminToken }
})
afterAll(async () => {
  for (const server of servers) server.close()
  await tested.stop()
})

async function listen(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test.each([
  [200, '<html>'],
  [404, '<html><h1>Not Found</h1></html>'],
  [404, '{"message":"Not Found"}'],
  [401, '{"error":"unauthorized"}'],
  [502, ''],
])('a server that answers %i and is not Meterline (%s) is reported as such, with exit code 1', async (status, body) => {
  const url = await listen((_request, response) => response.writeHead(status).end(body))
  for (const command of [['audit'], ['rejected', 'list']]) {
    const { code, stderr } = await runHere(command, { ...environment, METERLINE_URL: url })
    expect([code, stderr]).toEqual([1, `error: The server at ${url} is not Meterline (it answered ${status}). Set METERLINE_URL.\n`])
  }
})

test('an answer of an unexpected shape is reported in a sentence', async () => {
  const url = await listen((_request, response) => response.end('{"items":[]}'))
  const { code, stderr } = await runHere(['rejected', 'list'], { ...environment, METERLINE_URL: url })
  expect(code).toBe(1)
  expect(stderr).toContain('error: The server is not a Meterline of this version (unexpected value for "rejected_events").')
})

test('a service behind a prefix is called behind that prefix', async () => {
  const url = await listen(async (request, response) => {
    if (request.url?.startsWith('/metering/admin/') !== true) return response.writeHead(404).end('<html>')
    const answer = await fetch(`${tested.service.url}${request.url.slice('/metering'.length)}`, {
      headers: { authorization: request.headers.authorization ?? '' },
    })
    return response.writeHead(answer.status).end(await answer.text())
  })
  for (const path of ['/metering', '/metering/']) {
    const { code, stdout } = await runHere(['rejected', 'list'], { ...environment, METERLINE_URL: `${url}${path}` })
    expect([code, stdout]).toEqual([0, 'No event was rejected.\n'])
  }
  expect((await runHere(['rejected', 'list'], { ...environment, METERLINE_URL: url })).code).toBe(1)
})

/** Must be the last test: it uses up the rate limit of the token. */
test('a temporary rejection says how long to wait', async () => {
  let { status } = await tested.client.admin('GET', '/admin/v1/partners')
  while (status === 200) status = (await tested.client.admin('GET', '/admin/v1/partners')).status
  expect(status).toBe(429)
  const { code, stderr } = await runHere(['rejected', 'list'], environment)
  expect([code, stderr]).toEqual([1, expect.stringMatching(/^error: Too many requests .* Try again in \d+ seconds?\.\n$/)])
})
