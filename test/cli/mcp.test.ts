import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credentials } from '../support/clients/client.ts'
import { spawnMeterline } from '../support/engines/service-process.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

const LAUNCHER = fileURLToPath(new URL('../../bin/meterline.mjs', import.meta.url))
const DIGITS = '12345678901234567890.123456789'
const JANUARY = { start: '2026-01-01T00:00:00Z', end: '2026-01-31T23:59:59Z' }
const PARTNER_TOOLS = ['partnership_usage', 'project_usage', 'projects', 'statement', 'explain', 'export', 'health']

let tested: TestService
let ours: Credentials
let theirs: Credentials
let asPartner: Client
let asFinance: Client
const clients: Client[] = []
beforeAll(async () => {
  tested = await startTestService()
  const { client } = tested
  ours = await client.createPartner('Ours')
  theirs = await client.createPartner('Theirs')
  await client.billFrom(ours.partnerId, '2026-01')
  await client.registerProject('red', ours.partnerId)
  await client.registerProject('blue', ours.partnerId)
  await client.registerProject('foreign', theirs.partnerId)
  await client.createIngestKey()
  const event = (project_id: string, day: string, metric: string, value: string) => ({
    ...{ event_id: `${project_id}-${day}-${metric}`, project_id, metric, value, timestamp: `${day}T10:00:00Z` },
  })
  await client.send([
    event('red', '2026-01-05', 'database_size_bytes', '700'),
    event('red', '2026-01-06', 'database_size_bytes', '600'),
    event('blue', '2026-01-05', 'database_size_bytes', '100'),
    event('blue', '2026-01-06', 'database_size_bytes', '350'),
    event('red', '2026-01-05', 'ai_credits', DIGITS),
  ])
  asPartner = await connect({ METERLINE_ACCESS_TOKEN: ours.secret, METERLINE_PARTNER_ID: ours.partnerId })
  asFinance = await connect({ METERLINE_ACCESS_TOKEN: (await client.admin('POST', '/admin/v1/tokens', { role: 'finance' })).body.token })
})
afterAll(async () => {
  for (const client of clients) await client.close()
  await tested.stop()
})

async function connect(environment: Record<string, string>): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' })
  const env = { PATH: process.env['PATH'] ?? '', METERLINE_URL: tested.service.url, ...environment }
  await client.connect(new StdioClientTransport({ command: process.execPath, args: [LAUNCHER, 'mcp'], env }))
  clients.push(client)
  return client
}

interface Called {
  readonly isError: boolean
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers of every shape
  readonly answer: any
  readonly texts: readonly string[]
}

async function called(client: Client, name: string, args: Record<string, unknown> = {}): Promise<Called> {
  const result = await client.callTool({ name, arguments: args })
  const texts = (result.content as { text: string }[]).map(({ text }) => text)
  return { isError: result.isError === true, answer: JSON.parse(texts[0] ?? ''), texts }
}

describe('the MCP server', () => {
  test('offers the tools that the credentials can use, each with a strict input schema and as one that only reads', async () => {
    const { tools } = await asPartner.listTools()
    expect(tools.map(({ name }) => name)).toEqual(PARTNER_TOOLS)
    for (const { inputSchema, annotations, description } of tools)
      expect([inputSchema, annotations, description]).toEqual([
        expect.objectContaining({ type: 'object', additionalProperties: false }),
        expect.objectContaining({ readOnlyHint: true, destructiveHint: false }),
        expect.any(String),
      ])
    expect((await asFinance.listTools()).tools.map(({ name }) => name)).toEqual(['statement', 'explain', 'export', 'health'])
    expect(asPartner.getInstructions()).toContain('text with all its digits')
  })

  test('answers usage with every digit as text, the resolved period, as_of, the status and how each metric adds up', async () => {
    const { answer, isError } = await called(asPartner, 'partnership_usage', { month: '2026-01' })
    expect(isError).toBe(false)
    expect(answer).toMatchObject({
      period: JANUARY,
      as_of: expect.stringMatching(/Z$/),
      status: 'provisional',
      result: {
        partnership: { name: 'Ours' },
        summary: { database_bytes: '950', ai_credits: DIGITS, mcp_calls: '0' },
        peak_days: { database_bytes: '2026-01-06' },
      },
    })
    expect(answer.result.daily_usage).toBeUndefined()
    expect(answer.metrics).toHaveLength(9)
    expect(answer.metrics[0]).toEqual({
      ...{ name: 'database_bytes', kind: 'peak', unit: 'byte' },
      how_it_adds_up: expect.stringContaining('added up over the projects; then the greatest of the days'),
    })
    expect((await called(asPartner, 'partnership_usage', { month: '2026-01', by_day: true })).answer.result.daily_usage).toHaveLength(2)
    const project = await called(asPartner, 'project_usage', { project_id: 'red', from: '2026-01-05', to: '2026-01-05' })
    expect(project.answer).toMatchObject({ result: { summary: { max_database_size_bytes: '700', total_ai_credits: DIGITS } } })
    expect(project.answer.period.start).toBe('2026-01-05T00:00:00Z')
  })

  test('lists projects page by page', async () => {
    const first = await called(asPartner, 'projects', { month: '2026-01', limit: 1 })
    expect(first.answer).toMatchObject({ period: JANUARY, result: { total: '2', projects: [{ id: 'blue', summary: { max_database_size_bytes: '350' } }] } })
    const second = await called(asPartner, 'projects', { month: '2026-01', limit: 1, cursor: first.answer.result.next_cursor })
    expect(second.answer.result).toMatchObject({ projects: [{ id: 'red' }], next_cursor: null })
  })

  test('answers statements, explanations and exports, to a partner its own and to finance those of the named one', async () => {
    const args = { month: '2026-01' }
    const named = { ...args, partner_id: ours.partnerId }
    for (const [client, given] of [
      [asPartner, args],
      [asFinance, named],
    ] as const) {
      const { answer } = await called(client, 'statement', given)
      expect(answer).toMatchObject({
        period: JANUARY,
        status: 'open',
        as_of: expect.any(String),
        metrics: expect.arrayContaining([expect.objectContaining({ unit: 'byte' })]),
      })
      expect(answer.result.totals).toContainEqual(expect.objectContaining({ metric: 'ai_credits', value: DIGITS }))
      const explained = await called(client, 'explain', { ...given, metric: 'database_bytes' })
      expect(explained.answer).toMatchObject({ period: JANUARY, status: 'provisional', result: { value: '950', peak_day: '2026-01-06', events: '4' } })
      expect(explained.answer.metrics).toEqual([{ name: 'database_size_bytes', kind: 'peak', unit: 'byte', how_it_adds_up: explained.answer.result.rule }])
      const exported = await called(client, 'export', given)
      expect(exported.answer).toMatchObject({ period: JANUARY, status: 'open', result: { format: 'csv', rows: '3' } })
      expect(exported.texts[1]?.split('\r\n')).toHaveLength(5)
      expect(exported.texts[1]).toContain(DIGITS)
    }
    expect((await called(asPartner, 'health')).answer).toMatchObject({ status: 'ready', result: { version: expect.any(String), url: tested.service.url } })
  })

  test.each([
    ['project_usage', {}, 'INVALID_ARGUMENTS', /project_id/],
    ['project_usage', { project_id: 'red', form: '2026-01-01' }, 'INVALID_ARGUMENTS', /form/],
    ['project_usage', { project_id: 'foreign' }, 'PROJECT_NOT_FOUND', /not found/],
    ['partnership_usage', { month: '2026-13' }, 'INVALID_ARGUMENTS', /month/],
    ['partnership_usage', { month: '2026-01', from: '2026-01-01' }, 'INVALID_USAGE', /not both/],
    ['partnership_usage', { from: '2026-02-30' }, expect.any(String), /2026-02-30|day/],
    ['explain', { metric: 'tokens' }, 'INVALID_REQUEST', /metric: must be one of .*ai_tokens/],
    ['statement', { month: '2020-01' }, 'STATEMENT_NOT_FOUND', /statement/i],
    ['drop_everything', {}, 'UNKNOWN_TOOL', /drop_everything/],
  ])('%s with %j is a tool error with a code and the next step', async (name, args, code, message) => {
    const { isError, answer } = await called(asPartner, name, args)
    expect(isError).toBe(true)
    expect(answer).toEqual({
      error: expect.stringMatching(message),
      code,
      next: expect.stringMatching(/.{20}/),
      request_id: answer.request_id,
      retryable: false,
    })
  })

  test('a service that is down is a tool error that can be retried, and the server goes on', async () => {
    const client = await connect({ METERLINE_URL: 'http://127.0.0.1:9', METERLINE_ACCESS_TOKEN: ours.secret, METERLINE_PARTNER_ID: ours.partnerId })
    for (const name of ['partnership_usage', 'health']) {
      const { isError, answer } = await called(client, name)
      expect([isError, answer]).toEqual([true, expect.objectContaining({ code: 'UNREACHABLE', retryable: true })])
    }
  })

  test('writes nothing but the protocol to stdout, and ends with its stdin, after the answers', async () => {
    const lines = [
      { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'raw', version: '1' } } },
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'health', arguments: {} } },
    ]
    const environment = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: ours.secret, METERLINE_PARTNER_ID: ours.partnerId }
    const child = spawnMeterline(['mcp'], environment, { stdin: 'pipe' })
    let [stdout, stderr] = ['', '']
    child.stderr?.on('data', (chunk) => {
      stderr += String(chunk)
    })
    child.stdout?.on('data', (chunk) => {
      stdout += String(chunk)
    })
    child.stdin?.end(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
    await once(child, 'close')
    expect([child.exitCode, stderr]).toEqual([0, ''])
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([expect.objectContaining({ jsonrpc: '2.0', id: 1 }), expect.objectContaining({ id: 2 })])
    expect(stdout).not.toContain(ours.secret)
  })

  test('does not start without credentials, or with those of an emitter', async () => {
    for (const [token, code] of [
      ['', 2],
      [tested.client.ingestKey, 5],
      [ours.secret, 1],
    ] as const) {
      const child = spawnMeterline(['mcp'], { HOME: '/nowhere', METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: token })
      await once(child, 'close')
      expect([token, child.exitCode]).toEqual([token, code])
    }
  })
})
