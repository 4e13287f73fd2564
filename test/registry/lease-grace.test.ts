import { expect, test } from 'vitest'
import { LeaseGrace } from '../../registry/lease-grace.ts'
import { untilSo } from '../support/until-so.ts'

test('the more often a process acquired the lease of the registry lately, the longer it leaves it to the other process, up to 1.5 s', () => {
  const grace = new LeaseGrace()
  const left = [1, 2, 3, 6, 9].map((acquisitions) => {
    const often = new LeaseGrace()
    for (let index = 0; index < acquisitions; index += 1) often.noteAcquired()
    return Math.round(often.msLeft({ owner: 'other', ageMs: 0 }) / 10) * 10
  })
  expect(left).toEqual([300, 600, 900, 1_500, 1_500])
  expect(grace.msLeft({ owner: 'other', ageMs: 301 }), 'a lease that is not contended is acquired immediately').toBe(0)
})

test('a change waits no longer than the grace for another process when the clock of the store was set back', async () => {
  const grace = new LeaseGrace()
  const other = { owner: 'other', ageMs: -3_600_000 }
  expect(grace.msLeft(other)).toBeLessThanOrEqual(300)
  await untilSo(async () => grace.msLeft(other) === 0)
})
