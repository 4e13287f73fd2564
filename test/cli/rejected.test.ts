import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runHere } from '../support/clients/run-here.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

const REJECTED = 205

let tested: TestService
let environment: Record<string, string>
beforeAll(async () => {
  tested = await startTestService()
  environment = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: tested.service.adminToken }
  await tested.client.createIngestKey()
  await tested.client.send(Array.from({ length: REJECTED }, (_, index) => ({ event_id: `e-${index}`, project_id: 'p', metric: 'none' })))
})
afterAll(() => tested.stop())

const listed = async (...args: string[]): Promise<{ id: string; event_id: string }[]> =>
  JSON.parse((await runHere(['--json', 'rejected', 'list', ...args], environment)).stdout).rejected_events

describe('the command "rejected"', () => {
  test('P7: "rejected list" prints the requested number of rejected events across pages, newest first and each once', async () => {
    const newestFirst = Array.from({ length: REJECTED }, (_, index) => `e-${REJECTED - 1 - index}`)
    expect((await listed('--limit', '1000')).map(({ event_id }) => event_id)).toEqual(newestFirst)
    expect((await listed('--limit', '150')).map(({ event_id }) => event_id)).toEqual(newestFirst.slice(0, 150))
    expect(await listed()).toHaveLength(100)
    for (const limit of ['0', '-1', 'all', '1.5', ''])
      expect(await runHere(['rejected', 'list', `--limit=${limit}`], environment)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(`"${limit}"`),
      })
  })

  test('P7: "rejected resend" exits 4 if no event was found, and 1 if an event is rejected again', async () => {
    const [first] = await listed('--limit', '1')
    const resend = async (...ids: string[]) => (await runHere(['rejected', 'resend', ...ids], environment)).code
    expect(await resend('http/999999')).toBe(4)
    expect(await resend('http/999999', 'nothing')).toBe(4)
    expect(await resend(first?.id ?? '')).toBe(1)
    expect(await resend(first?.id ?? '', 'http/999999')).toBe(1)
  })

  test('"rejected drop" deletes the months before the given one, from all lists, and writes it to the audit log; the current month stays', async () => {
    const { control } = tested.service.clickhouse
    await control.command(`
      INSERT INTO rejected_events_v1 (log, offset, reason, message, project_id, event_id, ingest_key_id, received_at, original)
      SELECT 'http', 1000000 + number, 'invalid_value', 'm', 'p', 'old', 'old-key', toDateTime64('2026-02-01 00:00:00', 3, 'UTC') + INTERVAL number DAY, '{}' FROM numbers(40)`)
    const drop = async (before: string) => (await tested.client.admin('POST', '/admin/v1/rejected-events/drop', { before })).body
    const { stdout } = await runHere(['--json', 'rejected', 'drop', '--before', '2026-03'], environment)
    expect(JSON.parse(stdout)).toEqual({ months: [{ month: '2026-02', events: 28 }] })
    expect(await drop('2026-03')).toEqual({ months: [] })
    expect((await listed('--limit', '1000')).filter(({ event_id }) => event_id === 'old')).toHaveLength(12)
    const current = new Date().toISOString().slice(0, 7)
    expect(await drop(current)).toEqual({ months: [{ month: '2026-03', events: '12' }] })
    expect(await listed('--limit', '1000')).toHaveLength(REJECTED)
    for (const before of ['2026-13', '2148-01', ''])
      expect(await drop(before)).toMatchObject({ code: 'INVALID_REQUEST', message: expect.stringContaining('body.before') })
    const { body } = await tested.client.admin('GET', '/admin/v1/audit-log?limit=10')
    expect(body.entries.map(({ action, subject }: { action: string; subject: string }) => `${action} ${subject}`)).toContain('rejected-events.drop 2026-03')
  })

  test('"rejected list" shows the metric, the value with all digits and the message of each event, and no control characters', async () => {
    await tested.client.createIngestKey('shown')
    const event = { event_id: 'shown-1', project_id: 'shop', metric: 'ai_tokn', value: '12345678901234567890.123456789', timestamp: '2026-02-01T00:00:00Z' }
    await tested.client.send([event, { ...event, event_id: 'shown-2', metric: 'ai_tokens', value: '\u001b[2J' }])
    const { stdout } = await runHere(['rejected', 'list', '--limit', '2'], environment)
    expect(stdout).toContain('shop, shown-1: ai_tokn 12345678901234567890.123456789')
    expect(stdout).toMatch(/│ unknown_metric: \S.* │/)
    expect(stdout).toContain('shop, shown-2: ai_tokens "\\u001b[2J"')
    expect(stdout).not.toContain('\u001b')
  })
})
