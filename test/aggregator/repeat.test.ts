import { afterEach, expect, test, vi } from 'vitest'
import { repeat } from '../../aggregator/repeat.ts'
import { untilSo } from '../support/until-so.ts'

afterEach(() => vi.restoreAllMocks())

test('a clock that is set ahead during a run does not pause a background job', async () => {
  const { now } = Date
  let runs = 0
  const job = repeat({
    name: 'test',
    everyMs: 1,
    run: async () => {
      runs += 1
      const aheadMs = runs * 3_600_000
      vi.spyOn(Date, 'now').mockImplementation(() => now() + aheadMs)
    },
    logger: { info: () => {}, warn: () => {}, error: () => {} },
  })
  await untilSo(async () => runs >= 3)
  await job.stop()
  expect(job.stats().failures).toBe(0)
})
