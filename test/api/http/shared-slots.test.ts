import { expect, test } from 'vitest'
import { KeyedSemaphore, type Release } from '../../../api/http/keyed-semaphore.ts'
import { SharedSlots } from '../../../api/http/shared-slots.ts'

const openSlots = (waitMsMax = 10_000) => new SharedSlots(new KeyedSemaphore({ perKeyMax: 2, totalMax: 100, waitingPerKeyMax: 3, waitMsMax }))

/** Whether a slot is there by now. */
async function isAcquired(slot: Promise<Release | undefined>): Promise<boolean> {
  return (await Promise.race([slot.then(() => 'acquired'), new Promise((resolve) => setImmediate(resolve))])) === 'acquired'
}

test('requests of one kind share a slot, which is free when the last of them has ended', async () => {
  const slots = openSlots()
  const weeks = await Promise.all(Array.from({ length: 50 }, () => slots.acquire('partner', 'usage of a week')))
  const other = await slots.acquire('partner', 'usage of a month')
  const third = slots.acquire('partner', 'usage of a year')
  expect([weeks.every((release) => release !== undefined), other !== undefined, await isAcquired(third)]).toEqual([true, true, false])
  for (const release of weeks.slice(1)) release?.()
  expect(await isAcquired(third)).toBe(false)
  weeks[0]?.()
  weeks[0]?.()
  expect(await isAcquired(third)).toBe(true)
})

test('requests without a kind, and those of other callers, have slots of their own', async () => {
  const slots = openSlots()
  await slots.acquire('partner', undefined)
  await slots.acquire('partner', undefined)
  expect(await isAcquired(slots.acquire('partner', undefined))).toBe(false)
  expect(await isAcquired(slots.acquire('other partner', undefined))).toBe(true)
})

test('a kind of request does not keep a slot forever: after 200 requests the next ones queue behind the others', async () => {
  const slots = openSlots()
  const first = await Promise.all(Array.from({ length: 200 }, () => slots.acquire('partner', 'a')))
  const second = await slots.acquire('partner', 'b')
  const waiting = slots.acquire('partner', 'c')
  const more = slots.acquire('partner', 'a')
  expect(await isAcquired(more)).toBe(false)
  for (const release of first) release?.()
  expect([await isAcquired(waiting), await isAcquired(more)]).toEqual([true, false])
  second?.()
  expect(await isAcquired(more)).toBe(true)
})

test('requests that share a slot that takes too long are all rejected, and the next one tries again', async () => {
  const slots = openSlots(20)
  const [first, second] = [await slots.acquire('partner', 'a'), await slots.acquire('partner', 'b')]
  expect(await Promise.all([slots.acquire('partner', 'c'), slots.acquire('partner', 'c')])).toEqual([undefined, undefined])
  first?.()
  expect(await slots.acquire('partner', 'c')).toBeDefined()
  second?.()
})
