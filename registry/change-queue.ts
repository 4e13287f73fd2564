import { StoreError } from '../sql/errors.ts'
import type { Actor } from './audit-log.ts'

/** How long a change may wait for its slot in this process and for the lease of the registry. A running change is not interrupted. */
const CHANGE_MS_MAX = 30_000
/** Generous: a program that syncs all its projects in parallel sends fewer. */
export const WAITING_PER_PARTNER_MAX = 100
/** A group takes no further change once it has this many items: a change that arrives meanwhile waits until the group is written. */
const GROUP_ITEMS_MAX = 1_000

/** A partner sends changes faster than they are carried out. Nothing of the rejected change was done. */
export class TooManyWaiting extends Error {
  constructor() {
    super(`${WAITING_PER_PARTNER_MAX} changes of this partner are already waiting. Send fewer in parallel, and the next one when one is answered.`)
    this.name = 'TooManyWaiting'
  }
}

export interface QueuedChange {
  readonly actor: Actor
  /** Changes of the same kind can be carried out together. */
  readonly kind: unknown
  /** How many items it changes: one, or as many as a bulk call contains. */
  readonly items: number
}

/** Changes of one kind that are carried out together. */
export interface ChangeGroup<C> {
  /** In the order in which they are carried out. */
  readonly changes: readonly C[]
  /** Adds the changes of this kind that wait by now. */
  takeWaiting(): void
  /** Throws StoreError when no time is left for another attempt. */
  requireTime(): void
}

/** Carries out all changes of a group or, when it throws, none. */
export type CarryOut<C> = (group: ChangeGroup<C>) => Promise<void>

/**
 * Changes run one group at a time: the changes that wait while a group is written are the next group, up to the first one of
 * another kind; more join it until it is decided. They are taken round-robin from one queue per partner: a partner that sends
 * many in parallel delays its own changes, not those of other partners. Changes of partners alternate with those of operators
 * and the service, which so wait for a group at most, however many partners there are.
 */
export class ChangeQueue<C extends QueuedChange> {
  readonly #changeMsMax: number
  readonly #partners = new RoundRobin<C>()
  readonly #others = new RoundRobin<C>()
  #isBusy = false
  #lastWasPartner = false

  constructor(changeMsMax: number = CHANGE_MS_MAX) {
    this.#changeMsMax = changeMsMax
  }

  /** Throws TooManyWaiting, StoreError when no slot came in time, and what `carryOut` throws for the group of the change. */
  async run(change: C, carryOut: CarryOut<C>): Promise<void> {
    const untilMs = performance.now() + this.#changeMsMax
    // The first caller of a group waits here and carries the group out itself, so that queries are attributed to a request that causes them.
    if (!this.#isBusy) this.#occupy(change)
    else if ((await this.#waitForSlot(change, untilMs)) === 'carried_out') return
    const followers: Waiting<C>[] = []
    try {
      await carryOut(this.#groupOf(change, untilMs, followers))
      for (const follower of followers) follower.end('carried_out')
    } catch (thrown) {
      for (const follower of followers) follower.fail(thrown)
      throw thrown
    } finally {
      this.#startNext()
    }
  }

  #groupOf(leader: C, leaderUntilMs: number, followers: Waiting<C>[]): ChangeGroup<C> {
    const changes = [leader]
    let { items } = leader
    // A group goes on as long as one of its changes has time.
    let untilMs = leaderUntilMs
    const takeWaiting = () => {
      while (items < GROUP_ITEMS_MAX && this.#queueOfNext()?.first()?.change.kind === leader.kind) {
        const follower = this.#takeNext()
        if (follower === undefined) return
        followers.push(follower)
        changes.push(follower.change)
        items += follower.change.items
        untilMs = Math.max(untilMs, follower.untilMs)
      }
    }
    takeWaiting()
    return { changes, takeWaiting, requireTime: () => this.#requireTime(untilMs) }
  }

  #occupy({ actor }: C): void {
    this.#isBusy = true
    this.#lastWasPartner = isPartner(actor.name)
  }

  #waitForSlot(change: C, untilMs: number): Promise<SlotOutcome> {
    const { name } = change.actor
    const queue = isPartner(name) ? this.#partners : this.#others
    if (isPartner(name) && queue.lengthOf(name) >= WAITING_PER_PARTNER_MAX) return Promise.reject(new TooManyWaiting())
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        queue.remove(name, waiting)
        reject(this.#timedOut())
      }, this.#changeMsMax)
      const waiting: Waiting<C> = { change, untilMs, hasSlot: () => clearTimeout(timer), end: resolve, fail: reject }
      queue.add(name, waiting)
    })
  }

  #requireTime(untilMs: number): void {
    if (performance.now() >= untilMs) throw this.#timedOut()
  }

  #timedOut(): StoreError {
    return new StoreError('unavailable', `The registry was busy with other changes for ${this.#changeMsMax} ms. Try again.`)
  }

  /** Stays busy while a change waits, so that a change that arrives now does not overtake it. */
  #startNext(): void {
    const next = this.#takeNext()
    if (next === undefined) this.#isBusy = false
    else next.end('leads')
  }

  #takeNext(): Waiting<C> | undefined {
    const next = this.#queueOfNext()?.takeFirst()
    if (next === undefined) return undefined
    next.hasSlot()
    this.#occupy(next.change)
    return next
  }

  #queueOfNext(): RoundRobin<C> | undefined {
    const [one, other] = this.#lastWasPartner ? [this.#others, this.#partners] : [this.#partners, this.#others]
    return [one, other].find((queue) => queue.first() !== undefined)
  }
}

/** Whether a change that has its slot leads a group, or was carried out in the group of another. */
type SlotOutcome = 'leads' | 'carried_out'

interface Waiting<C> {
  readonly change: C
  readonly untilMs: number
  readonly hasSlot: () => void
  readonly end: (outcome: SlotOutcome) => void
  readonly fail: (thrown: unknown) => void
}

/** By the names of actors (audit-log.ts). */
function isPartner(name: string): boolean {
  return name.startsWith('partner:')
}

/** A first-in, first-out queue for each name; the names are served in rotation. Names without waiting changes are not stored. */
class RoundRobin<C> {
  readonly #queues = new Map<string, Waiting<C>[]>()

  lengthOf(name: string): number {
    return this.#queues.get(name)?.length ?? 0
  }

  add(name: string, waiting: Waiting<C>): void {
    const queue = this.#queues.get(name)
    if (queue === undefined) this.#queues.set(name, [waiting])
    else queue.push(waiting)
  }

  remove(name: string, waiting: Waiting<C>): void {
    const left = this.#queues.get(name)?.filter((each) => each !== waiting) ?? []
    if (left.length === 0) this.#queues.delete(name)
    else this.#queues.set(name, left)
  }

  /** The longest waiting change of the name that was served least recently. */
  first(): Waiting<C> | undefined {
    for (const [first] of this.#queues.values()) return first
    return undefined
  }

  /** Takes the first change; its name moves to the end of the rotation. */
  takeFirst(): Waiting<C> | undefined {
    for (const [name, queue] of this.#queues) {
      const first = queue.shift()
      this.#queues.delete(name)
      if (queue.length > 0) this.#queues.set(name, queue)
      return first
    }
    return undefined
  }
}
