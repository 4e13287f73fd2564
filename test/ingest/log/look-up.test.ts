import { expect, test } from 'vitest'
import { type Identity, inGroups } from '../../../ingest/log/look-up.ts'
import { StoreError, type StoreFault } from '../../../sql/errors.ts'

const IDENTITIES: readonly Identity[] = Array.from({ length: 9 }, (_, index) => ['p', `e${index}`])

/** Looks them up where a group of more than two fails; returns the groups that were looked up. */
async function lookUp(fault: StoreFault, code: number): Promise<string[][]> {
  const done: string[][] = []
  await inGroups(IDENTITIES, async (group) => {
    if (group.length > 2) throw new StoreError(fault, 'over a limit', { code })
    done.push(group.map(([, eventId]) => eventId))
  })
  return done
}

test.each([
  ['too_large', 158],
  ['too_large', 307],
  ['too_large', 396],
  ['exhausted', 159],
  ['unavailable', 241],
] as const)('a group of identities whose query meets a limit (%s, code %i) is divided, and each identity is looked up once', async (fault, code) => {
  const done = await lookUp(fault, code)
  expect(done.flat()).toEqual(IDENTITIES.map(([, eventId]) => eventId))
  expect(Math.max(...done.map((group) => group.length))).toBeLessThanOrEqual(2)
})

test('any other error is thrown, and so is a limit that a single identity meets', async () => {
  await expect(lookUp('fault', 60)).rejects.toMatchObject({ code: 60 })
  const never = inGroups(IDENTITIES, () => Promise.reject(new StoreError('too_large', 'over a limit', { code: 158 })))
  await expect(never).rejects.toMatchObject({ fault: 'too_large' })
})
