import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Actor } from '../../registry/audit-log.ts'
import { ChangeQueue, TooManyWaiting, WAITING_PER_PARTNER_MAX } from '../../registry/change-queue.ts'
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
    const changes = new RegistryChanges(store.clickhouse)
    const order: string[] = []
    const change = (name: string) => changes.note(actor(name), { action: 'test.change', subject: name }).then(() => order.push(name))
    const flood = Array.from({ length: 90 }, () => change('partner:a'))
    const others = ['partner:b', 'admin', 'admin:operator:1', 'service', 'partner:c']
    await Promise.all([...flood, ...others.map(change)])
    expect(order).toHaveLength(95)
    // Changes of partners and of others alternate; among the partners one of each partner.
    const among = ['partner:a', 'admin', 'partner:a', 'admin:operator:1', 'partner:b', 'service', 'partner:c']
    expect(order.slice(0, among.length)).toEqual(among)
  })

  test('changes that operators and the service send in parallel do not delay those of partners', async () => {
    const changes = new RegistryChanges(store.clickhouse)
    const order: string[] = []
    const change = (name: string) => changes.note(actor(name), { action: 'test.change', subject: name }).then(() => order.push(name))
    await Promise.all([...Array.from({ length: 20 }, () => change('service')), change('partner:a'), change('partner:b')])
    expect(order.slice(0, 4)).toEqual(['service', 'partner:a', 'service', 'partner:b'])
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
    const queue = new ChangeQueue(20)
    let end: () => void = () => {}
    const ended = new Promise<void>((resolve) => {
      end = resolve
    })
    const slow = queue.run(actor('service'), async (requireTime) => {
      await ended
      expect(requireTime).toThrow(StoreError)
      return 'slow'
    })
    let done = 0
    const waits = ['partner:a', 'admin'].map((name) => queue.run(actor(name), async () => (done += 1)))
    for (const late of await Promise.allSettled(waits)) {
      expect(late).toMatchObject({ status: 'rejected', reason: { name: 'StoreError', fault: 'unavailable' } })
    }
    end()
    expect([await slow, await queue.run(actor('partner:a'), async () => 'next'), done]).toEqual(['slow', 'next', 0])
  })

  test('a failed change does not block the next one', async () => {
    const changes = new RegistryChanges(store.clickhouse)
    const fails = changes.run(actor('partner:a'), () => Promise.reject(new Error('ours')))
    const next = changes.run(actor('partner:a'), async () => 'next')
    await expect(fails).rejects.toThrow('ours')
    expect(await next).toBe('next')
  })
})

function actor(name: string): Actor {
  return { name, requestId: 'request' }
}
