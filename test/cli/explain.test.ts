import { afterAll, beforeAll, expect, test } from 'vitest'
import { runHere } from '../support/clients/run-here.ts'
import { storeRawEvents } from '../support/worlds/store-raw-events.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

let tested: TestService
let environment: Record<string, string>
let partnerId: string
beforeAll(async () => {
  tested = await startTestService()
  environment = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: tested.service.adminToken }
  const partner = await tested.client.createPartner('Ours')
  partnerId = partner.partnerId
  await tested.client.registerProject('a', partnerId, { name: 'Shop A' })
  await tested.client.registerProject('b', partnerId, { name: 'Shop B' })
  await storeRawEvents(tested.service.clickhouse, [
    ['a', 'a11', 'database_size_bytes', '2026-01-11T08:00:00Z', '80', '2026-01-11T08:00:01Z'],
    ['b', 'b11', 'database_size_bytes', '2026-01-11T09:00:00Z', '70', '2026-01-11T09:00:01Z'],
    ['b', 'late-11', 'database_size_bytes', '2026-01-11T10:00:00Z', '90', '2026-02-05T00:00:00Z'],
    ['a', 'big', 'ai_credits', '2026-01-09T00:00:00Z', '12345678901234567890.123456789', '2026-01-09T00:00:01Z'],
  ])
  await tested.service.clickhouse.control.command(
    `INSERT INTO statements_v1 SETTINGS async_insert=0
     SELECT '${partnerId}', '2026-01', 'c1', toDateTime64('2026-02-03 00:00:00', 3, 'UTC'), 'operator', toDateTime64('2026-02-03 00:00:00', 3, 'UTC'), 0, '', ['2026-01'], [1], now64(3), []`,
  )
  await tested.client.partner(partner, 'DELETE', '/b')
})
afterAll(() => tested.stop())

test('explain prints the rule of a number, its events, the contributing projects and late events', async () => {
  const { code, stdout } = await runHere(['explain', '--partner', partnerId, '--metric', 'database_bytes', '--month', '2026-01'], environment)
  expect(code).toBe(0)
  expect(stdout).toContain(`database_size_bytes of partnership ${partnerId}, 2026-01-01 to 2026-01-31: 170 byte on 2026-01-11\n`)
  expect(stdout).toContain('database_size_bytes is a peak: for each UTC day')
  expect(stdout).toContain('3 events, the first at 2026-01-11T08:00:00Z, the last at 2026-01-11T10:00:00Z.')
  expect(stdout).toMatch(/│ b +│ Shop B +│ deleted +│ 90 +│ 2 +│/)
  expect(stdout).toMatch(/│ a +│ Shop A +│ active +│ 80 +│ 1 +│/)
  expect(stdout).toContain('1 event arrived after the day was over and changed the figure by 20 byte.')
  expect(stdout).toMatch(/late-11 .* after the month was closed/)
})

test('explain prints every digit of a project’s number, as text and as JSON', async () => {
  const command = ['explain', '--project', 'a', '--metric', 'ai_credits', '--from', '2026-01-09', '--to', '2026-01-09']
  expect((await runHere(command, environment)).stdout).toMatch(/│ big +│ 12,345,678,901,234,567,890\.123456789 +│ 2026-01-09T00:00:00Z │/)
  const { stdout } = await runHere(['--json', ...command], environment)
  expect(stdout).toContain('"value":12345678901234567890.123456789')
  expect(JSON.parse(stdout)).toMatchObject({ contributors: { days: [{ usage_date: '2026-01-09' }] } })
})

test('explain says so if no events contribute to a number', async () => {
  const { stdout } = await runHere(['explain', '--project', 'a', '--metric', 'mcp_calls', '--month', '2026-01'], environment)
  expect(stdout).toContain('mcp_calls of project a, 2026-01-01 to 2026-01-31: 0 call\n')
  expect(stdout).toContain('No events contribute to it.')
})

test.each([
  [['--metric', 'ai_tokens'], 1, 'either --partner <id> or --project <id>'],
  [['--metric', 'ai_tokens', '--project', 'a', '--partner', 'p'], 1, 'either --partner <id> or --project <id>'],
  [['--metric', 'ai_tokens', '--project', 'a', '--month', '2026-13'], 1, '--month "2026-13" is not a month'],
  [['--metric', 'ai_tokens', '--project', 'a', '--month', '2026-01', '--from', '2026-01-01'], 1, 'not both'],
  [['--metric', 'ai_tokens', '--project', 'a', '--from', '2026-02-30'], 1, '2026-02-30'],
  [['--metric', 'tokens', '--project', 'a'], 1, '--metric: '],
  [['--project', 'a'], 1, '--metric'],
  [['--metric', 'ai_tokens', '--project', 'unknown'], 4, 'Project not found'],
] as const)('explain %j fails with a message that says what to do', async (args, code, message) => {
  expect(await runHere(['explain', ...args], environment)).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(message) })
})
