import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
beforeAll(async () => {
  tested = await startTestService()
})
afterAll(() => tested.stop())

function block(ms: number): void {
  const endMs = performance.now() + ms
  while (performance.now() < endMs);
}

/** As on a machine on which others compute. The measurement of the event loop had no sample then, and rejected every request for a second. */
test('turns of the event loop that take a second each have no request rejected', async () => {
  for (let turns = 0; turns < 4; turns += 1) {
    block(1_100)
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { status } = await fetch(`${tested.client.url}/v1/rejected-events`)
  expect(status).toBe(401)
})
