import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Actor } from '../../registry/audit-log.ts'
import { ChangeQueue, type QueuedChange, TooManyWaiting, WAITING_PER_PARTNER_MAX } from '../../registry/change-queue.ts'
import { RegistryChanges } from '../../registry/changes.ts'
import { StoreError } from '../../sql/errors.ts'
import { openTestStore, type TestStore } from '../support/engines/embedded-store.ts'

let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())

describe('the order of changes', () => {
  test('a partner that sends 90 changes in parallel delays its own, not those of other partners, operators or the service', async () => {
    const queue = new ChangeQueue<QueuedChange>()
    const order: string[] = []
    const change = (name: string) => queue.run(aloneBy(name), async () => void order.push(name))
    const flood = Array.from({ length: 90 }, () => change('partner:a'))
    const others = ['partner:b', 'admin', 'admin:operator:1', 'service', 'partner:c']
    await Promise.all([...flood, ...others.map(change)])
    expect(order).toHaveLength(95)
    // Changes of partners and of others alternate; among the partners one of each partner.
    const among = ['partner:a', 'admin', 'partner:a', 'admin:operator:1', 'partner:b', 'service', 'partner:c']
    expect(order.slice(0, among.length)).toEqual(among)
  })

  test('changes that operators and the service send in parallel do not delay those of partners', async () => {
    const queue = new ChangeQueue<QueuedChange>()
    const order: string[] = []
    const change = (name: string) => queue.run(aloneBy(name), async () => void order.push(name))
    await Promise.all([...Array.from({ length: 20 }, () => change('service')), change('partner:a'), change('partner:b')])
    expect(order.slice(0, 4)).toEqual(['service', 'partner:a', 'service', 'partner:b'])
  })

  test('changes that wait are carried out as one group in the same order, and a change of another kind ends the group', async () => {
    const queue = new ChangeQueue<QueuedChange>()
    const groups: string[][] = []
    const change = (name: string, kind: unknown = 'projects') =>
      queue.run({ ...aloneBy(name), kind }, async ({ changes }) => void groups.push(changes.map(({ actor }) => actor.name)))
    const first = ['partner:a', 'partner:a', 'partner:a', 'partner:b', 'admin'].map((name) => change(name))
    await Promise.all([...first, change('service', 'keys'), change('partner:b')])
    expect(groups).toEqual([['partner:a'], ['admin', 'partner:a'], ['service'], ['partner:b', 'partner:a', 'partner:b']])
  })

  test('a group is limited in items, so that a change that arrives while many wait is soon written', async () => {
    const queue = new ChangeQueue<QueuedChange>()
    const groups: number[] = []
    const change = (items: number) => queue.run({ ...aloneBy('admin'), kind: 'projects', items }, async ({ changes }) => void groups.push(changes.length))
    await Promise.all([1, 600, 399, 1, 1_000, 1_000, 1].map(change))
    expect(groups).toEqual([1, 3, 1, 1, 1])
  })

  test('when a group fails, each of its changes fails with the same error, and the next group is carried out', async () => {
    const queue = new ChangeQueue<QueuedChange>()
    const change = (name: string, kind: unknown) =>
      queue.run({ ...aloneBy(name), kind }, async ({ changes }) => {
        if (changes.length > 1) throw new Error(`${changes.length} failed`)
      })
    const ended = await Promise.allSettled([change('admin', 1), change('admin', 2), change('partner:a', 2), change('admin', 3)])
    expect(ended.map((each) => (each.status === 'rejected' ? each.reason.message : each.status))).toEqual(['fulfilled', '2 failed', '2 failed', 'fulfilled'])
  })

  test('changes of a partner beyond the limit of waiting ones are rejected and not carried out; all others are', async () => {
    const changes = new RegistryChanges(store.clickhouse)
    let done = 0
    const change = (name: string) =>
      changes.run(actor(name), async () => {
        done += 1
      })
    const flood = Array.from({ length: WAITING_PER_PARTNER_MAX + 3 }, () => change('partner:flood'))
    const ofService = Array.from({ length: WAITING_PER_PARTNER_MAX + 3 }, () => change('service'))
    const ended = await Promise.allSettled(flood)
    await Promise.all([...ofService, change('partner:flood')])
    const rejected = ended.filter((each) => each.status === 'rejected').map(({ reason }) => reason)
    // One is running, so the limit admits one more.
    expect(rejected).toEqual([expect.any(TooManyWaiting), expect.any(TooManyWaiting)])
    expect(done).toBe(flood.length - rejected.length + ofService.length + 1)
  })

  test('a change that waits too long is rejected and not carried out; the running change is not interrupted', async () => {
    const queue = new ChangeQueue<QueuedChange>(20)
    let end: () => void = () => {}
    const ended = new Promise<void>((resolve) => {
      end = resolve
    })
    const done: string[] = []
    const slow = queue.run(aloneBy('service'), async (group) => {
      await ended
      expect(() => group.requireTime()).toThrow(StoreError)
      done.push('slow')
    })
    const waits = ['partner:a', 'admin'].map((name) => queue.run(aloneBy(name), async () => void done.push(name)))
    for (const late of await Promise.allSettled(waits)) {
      expect(late).toMatchObject({ status: 'rejected', reason: { name: 'StoreError', fault: 'unavailable' } })
    }
    end()
    await slow
    await queue.run(aloneBy('partner:a'), async () => void done.push('next'))
    expect(done).toEqual(['slow', 'next'])
  })

  test('a failed change does not block the next one', async () => {
    const changes = new RegistryChanges(store.clickhouse)
    const fails = changes.run(actor('partner:a'), () => Promise.reject(new Error('ours')))
    const next = changes.run(actor('partner:a'), async () => 'next')
    await expect(fails).rejects.toThrow('ours')
    expect(await next).toBe('next')
  })
})

/** A change that shares no group, because its kind is its own. */
function aloneBy(name: string): QueuedChange {
  return { actor: actor(name), kind: {}, items: 1 }
}

function actor(name: string): Actor {
  return { name, requestId: 'request' }
}
