import { afterEach, describe, expect, test } from 'vitest'
import { type AttemptOutcome, type DeliveryLimits, DeliveryLoop } from '../../outgoing/deliver-until-acknowledged.ts'
import { untilSo } from '../support/until-so.ts'

const QUICK: DeliveryLimits = { retryMsFirst: 1, retryMsMax: 10, concurrentDeliveriesMax: 8, sweepEveryMs: 5, takeOverAfterMs: 60_000 }
const FAILED: AttemptOutcome = { status: 'failed', retryAfterMs: undefined, details: { reason: 'http_status' } }

/** The state of each key, what the receiver has acknowledged, and every attempt. */
class Deliveries {
  readonly wanted = new Map<string, number>()
  readonly acknowledged = new Map<string, number>()
  readonly attempts: [key: string, revision: number | undefined][] = []
  readonly logged: object[] = []
  sweeps = 0
  isStoreDown = false
  /** What the receiver does with an attempt. */
  receive: () => Promise<AttemptOutcome> = async () => ({ status: 'acknowledged' })
  readonly #loops: DeliveryLoop[] = []

  start(limits: Partial<DeliveryLimits> = {}): DeliveryLoop {
    const log = (details: object) => this.logged.push(details)
    const loop = new DeliveryLoop({
      name: 'test',
      keyName: 'thingId',
      limits: { ...QUICK, ...limits },
      logger: { info: log, warn: log, error: log },
      readPending: async () => {
        this.sweeps += 1
        if (this.isStoreDown) throw new Error('injected')
        return [...this.wanted].filter(([key]) => this.#isPending(key)).map(([key, revision]) => ({ key, revision }))
      },
      attempt: (key) => this.#attempt(key),
    })
    this.#loops.push(loop)
    return loop
  }

  /** Changes the state, as a caller that crashes before it calls `deliver`. */
  want(key: string, revision: number): void {
    this.wanted.set(key, revision)
  }

  change(loop: DeliveryLoop, key: string, revision: number): void {
    this.want(key, revision)
    loop.deliver({ key, revision })
  }

  untilAcknowledged(key: string): Promise<void> {
    return untilSo(async () => !this.#isPending(key))
  }

  async untilNextSweeps(): Promise<void> {
    const enough = this.sweeps + 3
    await untilSo(async () => this.sweeps >= enough)
  }

  async stop(): Promise<void> {
    for (const loop of this.#loops) await loop.stop()
  }

  #isPending(key: string): boolean {
    return this.wanted.get(key) !== this.acknowledged.get(key)
  }

  async #attempt(key: string): Promise<AttemptOutcome> {
    const revision = this.wanted.get(key)
    if (revision === undefined || !this.#isPending(key)) return { status: 'nothing_pending' }
    this.attempts.push([key, revision])
    const outcome = await this.receive()
    if (outcome.status === 'acknowledged') this.acknowledged.set(key, revision)
    return outcome
  }
}

let tested = new Deliveries()
afterEach(async () => {
  await tested.stop()
  tested = new Deliveries()
})

/** A receiver that answers when the test says so. */
function heldReceiver() {
  const held: (() => void)[] = []
  tested.receive = () => new Promise((resolve) => held.push(() => resolve({ status: 'acknowledged' })))
  return { count: () => held.length, acknowledge: () => held.shift()?.() }
}

describe('delivery until acknowledged', () => {
  test('a start delivers everything that is pending in the store, each key once', async () => {
    for (const key of ['a', 'b', 'c']) tested.want(key, 1)
    const loop = tested.start()
    for (const key of ['a', 'b', 'c']) await tested.untilAcknowledged(key)
    await tested.untilNextSweeps()
    expect(tested.attempts.toSorted()).toEqual([
      ['a', 1],
      ['b', 1],
      ['c', 1],
    ])
    expect(loop.stats()).toEqual({ pending: 0, acknowledged: 3, failed: 0 })
  })

  test('a key has one attempt at a time, and revisions that were replaced meanwhile are never sent', async () => {
    const receiver = heldReceiver()
    const loop = tested.start()
    tested.change(loop, 'a', 1)
    await untilSo(async () => receiver.count() === 1)
    for (const revision of [2, 3, 4]) tested.change(loop, 'a', revision)
    await tested.untilNextSweeps()
    expect(tested.attempts).toEqual([['a', 1]])
    receiver.acknowledge()
    await untilSo(async () => receiver.count() === 1)
    receiver.acknowledge()
    await tested.untilAcknowledged('a')
    expect(tested.attempts).toEqual([
      ['a', 1],
      ['a', 4],
    ])
  })

  test('a failed attempt is retried until it is acknowledged, and each failure is logged with its count', async () => {
    let left = 3
    tested.receive = async () => (left-- > 0 ? FAILED : { status: 'acknowledged' })
    const loop = tested.start()
    tested.change(loop, 'a', 1)
    await tested.untilAcknowledged('a')
    expect(tested.logged).toEqual([1, 2, 3].map((failures) => ({ thingId: 'a', failures, reason: 'http_status' })))
    expect(loop.stats()).toMatchObject({ acknowledged: 1, failed: 3 })
  })

  test('an attempt that throws counts as a failure and is retried', async () => {
    const error = new Error('injected')
    let left = 2
    tested.receive = async () => {
      if (left-- > 0) throw error
      return { status: 'acknowledged' }
    }
    const loop = tested.start()
    tested.change(loop, 'a', 1)
    await tested.untilAcknowledged('a')
    expect(tested.logged).toEqual(Array(2).fill({ err: error, thingId: 'a' }))
    expect(loop.stats()).toMatchObject({ acknowledged: 1, failed: 2 })
  })

  test('a newer revision is attempted immediately, however long the receiver asked to wait after the older one', async () => {
    tested.receive = async () => ({ status: 'failed', retryAfterMs: 60_000, details: {} })
    const loop = tested.start({ retryMsMax: 600_000 })
    tested.change(loop, 'a', 1)
    await tested.untilNextSweeps()
    expect(tested.attempts).toEqual([['a', 1]])
    tested.receive = async () => ({ status: 'acknowledged' })
    loop.deliver({ key: 'a', revision: 1 })
    await tested.untilNextSweeps()
    expect(tested.attempts).toEqual([['a', 1]])
    tested.change(loop, 'a', 2)
    await tested.untilAcknowledged('a')
    expect(tested.attempts).toEqual([
      ['a', 1],
      ['a', 2],
    ])
  })

  test('a delivery of another process is taken over only when it stays pending for the whole time', async () => {
    tested.start({ takeOverAfterMs: 60_000 })
    await tested.untilNextSweeps()
    tested.want('a', 1)
    await tested.untilNextSweeps()
    expect(tested.attempts).toEqual([])
    const quick = tested.start({ takeOverAfterMs: 20 })
    tested.want('b', 1)
    for (const key of ['a', 'b']) await tested.untilAcknowledged(key)
    expect(quick.stats().acknowledged).toBe(2)
  })

  test('no more deliveries than the limit are in progress, and the others follow in their order', async () => {
    const receiver = heldReceiver()
    const loop = tested.start({ concurrentDeliveriesMax: 2 })
    const keys = ['a', 'b', 'c', 'd', 'e']
    for (const key of keys) tested.change(loop, key, 1)
    await untilSo(async () => receiver.count() === 2)
    await tested.untilNextSweeps()
    expect(receiver.count()).toBe(2)
    await untilSo(async () => {
      receiver.acknowledge()
      return tested.acknowledged.size === keys.length
    })
    expect(tested.attempts.map(([key]) => key)).toEqual(keys)
  })

  test('a stop waits for the attempt in progress and begins nothing more', async () => {
    const receiver = heldReceiver()
    const loop = tested.start({ concurrentDeliveriesMax: 1 })
    tested.change(loop, 'a', 1)
    tested.change(loop, 'b', 1)
    await untilSo(async () => receiver.count() === 1)
    let isStopped = false
    const stopping = loop.stop().then(() => {
      isStopped = true
    })
    await Promise.resolve()
    expect(isStopped).toBe(false)
    receiver.acknowledge()
    await stopping
    tested.change(loop, 'c', 1)
    expect([tested.attempts, loop.stats().acknowledged]).toEqual([[['a', 1]], 1])
  })

  test('a stop ends the pause before a retry', async () => {
    tested.receive = async () => FAILED
    const loop = tested.start({ retryMsFirst: 600_000, retryMsMax: 600_000 })
    tested.change(loop, 'a', 1)
    await untilSo(async () => loop.stats().failed === 1)
    await loop.stop()
    expect(tested.attempts).toEqual([['a', 1]])
  })

  test('a store that cannot be read is logged, and the next sweep reads it again', async () => {
    tested.want('a', 1)
    tested.isStoreDown = true
    tested.start()
    await tested.untilNextSweeps()
    expect(tested.logged[0]).toEqual({ err: expect.any(Error) })
    tested.isStoreDown = false
    await tested.untilAcknowledged('a')
  })
})
