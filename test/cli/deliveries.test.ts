import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readAnswer } from '../../contract/answer.ts'
import { LIST_DELIVERIES } from '../../contract/deliveries.ts'
import { runHere } from '../support/clients/run-here.ts'
import { DeliveredWorld } from '../support/worlds/delivered-world.ts'

let world: DeliveredWorld
let finance: Record<string, string>
beforeAll(async () => {
  world = await DeliveredWorld.open()
  const { token } = (await world.tested.client.admin('POST', '/admin/v1/tokens', { role: 'finance' })).body
  finance = { METERLINE_URL: world.tested.service.url, METERLINE_ACCESS_TOKEN: token }
  for (const format of ['csv', 'json'] as const) {
    const action = { what: 'statements', period: 'last-month', format, to: { folder: 'finance' } } as const
    expect(await world.deliver(action, { scheduleId: format })).toMatchObject({ status: 'succeeded' })
  }
})
afterAll(async () => {
  await world.endTest()
  await world.close()
})

const run = (...args: string[]) => runHere(['deliveries', ...args], finance)

describe('the command "deliveries"', () => {
  test('lists for finance what was delivered of a month, with whole names for programs', async () => {
    const { code, stdout } = await run('--month', '2026-02')
    expect([code, stdout]).toEqual([0, expect.stringMatching(/csv .*statements .*all .*2026-02 .*1 .*final .*[0-9a-f]{12} .*finance/)])
    const { deliveries } = readAnswer(LIST_DELIVERIES.answers[200], (await run('--json', '--month', '2026-02')).stdout)
    expect(deliveries.map(({ schedule_id, name }) => [schedule_id, world.filesIn('finance').includes(name)])).toEqual([
      ['csv', true],
      ['json', true],
    ])
    expect((await run('--month', '2026-02', '--limit', '1', '--partner', world.partner.partnerId)).stdout).not.toContain('json')
    expect((await run('--month', '2026-01')).stdout).toBe('No schedule has delivered a file of 2026-01.\n')
  })

  test.each([
    [[], 1, '--month is missing'],
    [['--month', '2026-2'], 1, 'month'],
    [['--month', '2026-02', '--limit', 'x'], 1, 'Give a number from 1 on'],
    [['--month', '2026-02', '--partner', 'x'], 4, 'artner'],
  ])('a mistake in %j is named', async (args, exitCode, message) => {
    const { code, stderr } = await run(...args)
    expect([code, stderr]).toEqual([exitCode, expect.stringContaining(message)])
  })
})
