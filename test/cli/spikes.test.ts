import { afterAll, beforeAll, expect, test } from 'vitest'
import { runHere } from '../support/clients/run-here.ts'
import { makeSpikes } from '../support/worlds/make-spikes.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

let tested: TestService
let operator: Record<string, string>
let partner: Record<string, string>
let partnerId: string
let day: string
beforeAll(async () => {
  tested = await startTestService()
  await tested.client.createIngestKey()
  const created = await tested.client.createPartner('Acme')
  partnerId = created.partnerId
  const other = await tested.client.createPartner('Other')
  await tested.client.registerProject('shop', partnerId)
  await tested.client.registerProject('their-shop', other.partnerId)
  day = await makeSpikes(tested, { shop: '12345678901234567890.5', 'their-shop': '0' })
  operator = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: tested.service.adminToken }
  partner = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: created.secret, METERLINE_PARTNER_ID: partnerId }
})
afterAll(() => tested.stop())

async function run(environment: Record<string, string>, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runHere(['spikes', ...args], environment)
  expect([args, code, code === 0 ? '' : stderr]).toEqual([args, 0, ''])
  return stdout
}

test('a partner lists its own spikes with all their digits, and operators those of all partners or of one', async () => {
  const own = await run(partner)
  expect(own).toMatch(new RegExp(`${day} .*shop .*ai_tokens .*up .*12345678901234567890\\.5 .*200004\\.5 .*token`))
  expect(own).not.toContain('their-shop')
  const all = await run(operator)
  expect([all.includes(' shop '), all]).toEqual([true, expect.stringMatching(/their-shop .*down .* 0 /)])
  expect(await run(operator, '--partner', partnerId)).toBe(own)
  expect(await run(operator, '--project', 'shop', '--metric', 'ai_tokens', '--from', day, '--to', day)).toBe(own)
  expect(await run(partner, '--metric', 'egress_bytes')).toBe('There is no spike.\n')
  expect(JSON.parse(await run(operator, '--json', '--limit', '1')).spikes).toHaveLength(1)
})

test.each([
  [['--limit', '0'], '--limit "0" is not a number of spikes.'],
  [['--metric', 'none'], '--metric: '],
  [['--from', '2026-02-30'], '--from: '],
  [['--project', 'unknown'], 'Project not found'],
])('a mistake in %j is said in one line', async (args, message) => {
  const { code, stderr } = await runHere(['spikes', ...args], operator)
  expect(code).not.toBe(0)
  expect(stderr).toContain(message)
})
