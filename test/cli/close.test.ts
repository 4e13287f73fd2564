import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Credentials } from '../support/clients/client.ts'
import { runHere } from '../support/clients/run-here.ts'
import { untilSo } from '../support/until-so.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

let tested: TestService
let partner: Credentials
let environment: Record<string, string>
/** Partners that a test has created. */
const unbilled: string[] = []
beforeAll(async () => {
  tested = await startTestService()
  const { client, service } = tested
  environment = { METERLINE_URL: service.url, METERLINE_ACCESS_TOKEN: service.adminToken }
  await client.createIngestKey()
  partner = await client.createPartner('Acme')
  await client.billFrom(partner.partnerId, '2026-03')
  await client.registerProject('shop', partner.partnerId)
  const event = { event_id: 'e', project_id: 'shop', metric: 'ai_tokens', value: '12345678901234567890.000000001', timestamp: '2026-03-01T00:00:00Z' }
  await client.send(event)
  await untilSo(async () => (await client.partnershipUsage(partner, '2026-03-01', '2026-03-31')).body.as_of !== null)
})
afterAll(() => tested.stop())

test('close prints the hash, or the reason with exit code 1; statements print every digit', async () => {
  const early = await runHere(['close', '--month', '2026-04', '--partner', partner.partnerId], environment)
  expect(early).toMatchObject({
    code: 1,
    stderr: 'error: 1 of 1 not closed.\n',
    stdout: expect.stringContaining('Months close in order: close 2026-03 first.'),
  })
  const unasked = await runHere(['close', '--month', '2026-03'], environment)
  expect(unasked).toEqual({
    code: 1,
    stdout: '',
    stderr: 'error: This needs a confirmation: Close 2026-03 for 1 partner? A closed month never changes.\nAdd --yes to confirm it without a terminal.\n',
  })
  expect((await tested.client.statement(partner, '2026-03')).body.statement.status).toBe('open')
  const closed = await runHere(['--json', '--yes', 'close', '--month', '2026-03'], environment)
  const { sha256 } = (await tested.client.statement(partner, '2026-03')).body.statement
  expect([closed.code, JSON.parse(closed.stdout)]).toEqual([
    0,
    { month: '2026-03', closings: [{ partner_id: partner.partnerId, name: 'Acme', closed: true, billed: true, outcome: `sha256 ${sha256}` }] },
  ])
  const one = await runHere(['statements', '--partner', partner.partnerId, '--month', '2026-03'], environment)
  expect(one.stdout).toContain('12,345,678,901,234,567,890.000000001')
  expect(one.stdout).toContain(`sha256 ${sha256}`)
  const withDays = await runHere(['statements', '--partner', partner.partnerId, '--month', '2026-03', '--byte-days'], environment)
  expect(withDays.stdout).toMatch(/│ database_size_bytes +│ byte-day +│ +0 │ +0 │/)
  expect((await runHere(['statements', '--partner', partner.partnerId, '--byte-days'], environment)).stderr).toContain('Name it with --month')
  const all = await runHere(['--json', 'statements', '--partner', partner.partnerId], environment)
  expect(JSON.parse(all.stdout).statements[0]).toMatchObject({ statement: { month: '2026-03', status: 'closed', sha256 } })
})

test('statements of an unknown partner exit with 4, and an invalid month with 1', async () => {
  expect((await runHere(['statements', '--partner', 'ps_unknown'], environment)).code).toBe(4)
  expect(await runHere(['statements', '--partner', partner.partnerId, '--month', 'March'], environment)).toMatchObject({
    code: 1,
    stderr: 'error: "March" is not a month as YYYY-MM.\n',
  })
  expect((await runHere(['close', '--month', '2026-03'], { ...environment, METERLINE_ACCESS_TOKEN: 'wrong' })).code).toBe(2)
})

test('close of a month before the first billed one says how to bill it, and not where an earlier month is closed', async () => {
  const { partnerId } = await tested.client.createPartner('Later')
  unbilled.push(partnerId)
  const next = `To bill 1 partner from 2026-02 on: meterline partners update ${partnerId} --billing-from 2026-02\n`
  expect(await runHere(['close', '--month', '2026-02'], environment)).toMatchObject({ code: 0, stderr: next })
  const one = await runHere(['close', '--month', '2026-02', '--partner', partnerId], environment)
  expect([one.code, one.stderr]).toEqual([4, `error: 1 of 1 not closed.\n${next}`])
  const closedLater = await runHere(['close', '--month', '2026-02', '--partner', partner.partnerId], environment)
  expect([closedLater.code, closedLater.stderr]).toEqual([4, 'error: 1 of 1 not closed.\n'])
})

test('close includes every partner, also on later pages of the list; it asks nothing if there is nothing to close', async () => {
  const made: string[] = []
  for (let index = 0; index < 101; index += 1) made.push((await tested.client.createPartner(`partner ${index}`)).partnerId)
  const { code, stdout } = await runHere(['--json', 'close', '--month', '2020-01'], environment)
  const closings: { partner_id: string; billed: boolean }[] = JSON.parse(stdout).closings
  expect(code).toBe(0)
  expect(closings.map(({ partner_id }) => partner_id).sort()).toEqual([partner.partnerId, ...unbilled, ...made].sort())
  expect(closings.some(({ billed }) => billed)).toBe(false)
})
