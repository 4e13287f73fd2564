import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runMeterline } from '../support/engines/service-process.ts'
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
  JSON.parse((await runMeterline(['--json', 'rejected', 'list', ...args], environment)).stdout).rejected_events

describe('the command "rejected"', () => {
  test('P7: "rejected list" prints the requested number of rejected events across pages, newest first and each once', async () => {
    const newestFirst = Array.from({ length: REJECTED }, (_, index) => `e-${REJECTED - 1 - index}`)
    expect((await listed('--limit', '1000')).map(({ event_id }) => event_id)).toEqual(newestFirst)
    expect((await listed('--limit', '150')).map(({ event_id }) => event_id)).toEqual(newestFirst.slice(0, 150))
    expect(await listed()).toHaveLength(100)
    for (const limit of ['0', '-1', 'all', '1.5', ''])
      expect(await runMeterline(['rejected', 'list', `--limit=${limit}`], environment)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(`"${limit}"`),
      })
  })

  test('P7: "rejected resend" exits 4 if no event was found, and 1 if an event is rejected again', async () => {
    const [first] = await listed('--limit', '1')
    const resend = async (...ids: string[]) => (await runMeterline(['rejected', 'resend', ...ids], environment)).code
    expect(await resend('http/999999')).toBe(4)
    expect(await resend('http/999999', 'nothing')).toBe(4)
    expect(await resend(first?.id ?? '')).toBe(1)
    expect(await resend(first?.id ?? '', 'http/999999')).toBe(1)
  })
})
