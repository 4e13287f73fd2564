import { afterAll, beforeAll, expect, test } from 'vitest'
import { LIST_CORRECTIONS, SUBMIT_CORRECTIONS } from '../../contract/corrections.ts'
import type { Credentials } from '../support/clients/client.ts'
import { runHere } from '../support/clients/run-here.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

let tested: TestService
let partner: Credentials
let admin: Record<string, string>
beforeAll(async () => {
  tested = await startTestService()
  partner = await tested.client.createPartner('Ours')
  admin = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: tested.service.adminToken }
  await tested.client.registerProject('shop', partner.partnerId)
  await tested.client.createIngestKey()
  const event = (event_id: string, value: string, day: string) => ({ event_id, project_id: 'shop', metric: 'ai_credits', value, timestamp: `${day}T08:00:00Z` })
  await tested.client.send([event('a', '1500', '2026-01-03'), event('b', '0.5', '2026-01-04'), event('c', '7', '2026-02-01')])
})
afterAll(() => tested.stop())

const run = (...args: string[]) => runHere(['corrections', ...args], admin)
const january = async () => (await tested.client.projectUsage(partner, 'shop', '2026-01-01', '2026-01-31')).body.summary.total_ai_credits

test('amend and void change what counts, say what they did, and change nothing when they are repeated', async () => {
  const amend = ['amend', 'a', '--project', 'shop', '--value', '150.000000001', '--reason', 'reported ten times']
  expect(await run(...amend)).toEqual({ code: 0, stderr: '', stdout: 'a is corrected.\n' })
  expect(await january()).toBe('150.500000001')
  expect(await run(...amend)).toMatchObject({ code: 0, stdout: expect.stringContaining('was corrected in this way before, and nothing was changed') })
  const voided = await run('void', 'b', '--project', 'shop', '--reason', 'sent by a test', '--json')
  expect(SUBMIT_CORRECTIONS.answers[200].parse(JSON.parse(voided.stdout))).toMatchObject({ accepted: 1, duplicates: 0, rejected: [] })
  expect(await january()).toBe('150.000000001')
})

test('list shows the values before and after with every digit, of the days that are asked for', async () => {
  const { stdout } = await run('list', '--project', 'shop', '--from', '2026-01-01', '--to', '2026-01-31')
  expect(stdout).toMatch(/ a +│ +1,500 │ 150\.000000001 │ reported ten times/)
  expect(stdout).toMatch(/ b +│ +0\.5 │ +void │ sent by a test/)
  const json = LIST_CORRECTIONS.answers[200].parse(
    JSON.parse((await run('list', '--project', 'shop', '--from', '2026-01-04', '--to', '2026-01-04', '--json')).stdout),
  )
  expect(json.corrections.map(({ corrects, before, after }) => [corrects, before?.text, after])).toEqual([['b', '0.5', null]])
  expect((await run('list', '--project', 'shop', '--from', '2026-02-01', '--to', '2026-02-28')).stdout).toBe('No event was corrected.\n')
})

test('list shows the text of an event of a metric that counts different texts, in place of a number', async () => {
  await tested.client.admin('PUT', '/admin/v1/metrics/users', { kind: 'unique', unit: 'user', description: 'Users.' })
  await tested.client.send({ event_id: 'u', project_id: 'shop', metric: 'users', value: 'ann', timestamp: '2026-03-01T08:00:00Z' })
  await run('void', 'u', '--project', 'shop', '--reason', 'a robot')
  const { stdout } = await run('list', '--project', 'shop', '--from', '2026-03-01', '--to', '2026-03-01')
  expect(stdout).toMatch(/ u +│ +ann │ +void │ a robot/)
})

test.each([
  [['void', 'nothing', '--project', 'shop', '--reason', 'x'], 1, 'no event with the id in corrects'],
  [['amend', 'c', '--project', 'shop', '--value', '-1', '--reason', 'x'], 1, 'value must be a decimal'],
  [['amend', 'c', '--project', 'shop', '--reason', 'x'], 1, '--value'],
  [['void', 'c', '--project', 'shop'], 1, '--reason'],
  [['list', '--project', 'shop', '--from', 'yesterday'], 1, '--from: must be a calendar day'],
])('a mistake in %j is named, and nothing changes', async (args, code, message) => {
  const before = await january()
  expect(await run(...args)).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(message) })
  expect(await january()).toBe(before)
})

test('a partner cannot correct events', async () => {
  const own = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: partner.secret, METERLINE_PARTNER_ID: partner.partnerId }
  const { code, stderr } = await runHere(['corrections', 'void', 'c', '--project', 'shop', '--reason', 'x'], own)
  expect([code, stderr]).toEqual([5, expect.stringContaining('needs an admin token')])
})
