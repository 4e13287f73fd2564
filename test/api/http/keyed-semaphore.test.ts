import { expect, test } from 'vitest'
import { KeyedSemaphore } from '../../../api/http/keyed-semaphore.ts'

const LIMITS = { perKeyMax: 2, totalMax: Number.POSITIVE_INFINITY, waitingPerKeyMax: 200, waitMsMax: 30_000 }

test('slots are given in the order of arrival, a limited number per key, and releasing twice frees one slot', async () => {
  const semaphore = new KeyedSemaphore(LIMITS)
  const started: string[] = []
  const acquire = async (key: string, name: string) => {
    const release = await semaphore.acquire(key)
    started.push(name)
    return release
  }
  const [first, second] = await Promise.all([acquire('a', 'a1'), acquire('a', 'a2')])
  const third = acquire('a', 'a3')
  const fourth = acquire('a', 'a4')
  await acquire('b', 'b1')
  expect(started).toEqual(['a1', 'a2', 'b1'])
  first?.()
  first?.()
  await third
  expect(started).toEqual(['a1', 'a2', 'b1', 'a3'])
  second?.()
  await fourth
  expect(started.at(-1)).toBe('a4')
})

test('more callers of one key than may wait are rejected immediately, and other keys are not affected', async () => {
  const semaphore = new KeyedSemaphore(LIMITS)
  const outcomes: unknown[] = []
  for (let index = 0; index < 500; index += 1) semaphore.acquire('a').then((release) => outcomes.push(release))
  await new Promise((resolve) => setImmediate(resolve))
  expect(outcomes.filter((release) => release === undefined)).toHaveLength(298)
  expect(await semaphore.acquire('b')).toBeTypeOf('function')
})

test('a caller that waits too long is rejected and takes no slot afterwards', async () => {
  const semaphore = new KeyedSemaphore({ ...LIMITS, perKeyMax: 1, waitMsMax: 5 })
  const release = await semaphore.acquire('a')
  expect(await semaphore.acquire('a')).toBeUndefined()
  release?.()
  expect(await semaphore.acquire('a')).toBeTypeOf('function')
})

test('the total is limited across keys, and a freed slot goes to the first waiting caller whose key has room', async () => {
  const semaphore = new KeyedSemaphore({ ...LIMITS, perKeyMax: 1, totalMax: 2 })
  const [a, b] = [semaphore.tryAcquire('a'), semaphore.tryAcquire('b')]
  expect(semaphore.tryAcquire('c')).toBeUndefined()
  const started: string[] = []
  const waiting = ['b', 'c'].map(async (key) => {
    const release = await semaphore.acquire(key)
    started.push(key)
    return release
  })
  a?.()
  const releaseC = await waiting[1]
  expect(started).toEqual(['c'])
  b?.()
  await waiting[0]
  expect(started).toEqual(['c', 'b'])
  releaseC?.()
  expect(semaphore.tryAcquire('d')).toBeTypeOf('function')
})
