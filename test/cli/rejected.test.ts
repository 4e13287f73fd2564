import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runMeterline } from '../support/engines/service-process.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

const REFUSED = 205

let tested: TestService
let environment: Record<string, string>
beforeAll(async () => {
  tested = await startTestService()
  environment = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: tested.service.adminToken }
  await tested.client.createIngestKey()
  await tested.client.send(Array.from({ length: REFUSED }, (_, index) => ({ event_id: `e-${index}`, project_id: 'p', metric: 'none' })))
})
afterAll(() => tested.stop())

const listed = async (...args: string[]): Promise<{ id: string; event_id: string }[]> =>
  JSON.parse((await runMeterline(['--json', 'rejected', 'list', ...args], environment)).stdout).rejected_events

describe('P7: "rejected"', () => {
  test('lists as many as asked for, however many pages that takes, the newest first and each once', async () => {
    const newestFirst = Array.from({ length: REFUSED }, (_, index) => `e-${REFUSED - 1 - index}`)
    expect((await listed('--limit', '1000')).map(({ event_id }) => event_id)).toEqual(newestFirst)
    expect((await listed('--limit', '150')).map(({ event_id }) => event_id)).toEqual(newestFirst.slice(0, 150))
    expect(await listed()).toHaveLength(100)
    for (const limit of ['0', '-1', 'all', '1.5', ''])
      expect(await runMeterline(['rejected', 'list', `--limit=${limit}`], environment)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(`"${limit}"`),
      })
  })

  test('resends: what is not found is exit code 4, what is refused again 1, and so is some of each', async () => {
    const [first] = await listed('--limit', '1')
    const resend = async (...ids: string[]) => (await runMeterline(['rejected', 'resend', ...ids], environment)).code
    expect(await resend('http/999999')).toBe(4)
    expect(await resend('http/999999', 'nothing')).toBe(4)
    expect(await resend(first?.id ?? '')).toBe(1)
    expect(await resend(first?.id ?? '', 'http/999999')).toBe(1)
  })
})
