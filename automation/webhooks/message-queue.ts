import type { ClickHouse } from '../../sql/clickhouse.ts'
import { StoreError } from '../../sql/errors.ts'
import { acquireLease, isAnyInsertRunning, type Lease, leaseTag } from '../../sql/lease.ts'
import { MESSAGE_COLUMNS, type Message, messageRow, storedMessageIds } from './messages.ts'

/** The lease under which messages are stored. */
const MESSAGES_LEASE = 'automation/messages'
/** More are stored by several inserts, one after another. */
export const MESSAGES_PER_INSERT_MAX = 500

/** `elsewhere`: another process stores messages now. Nothing was stored; the caller tries again at its next run. */
export type AppendOutcome = { status: 'appended'; messages: readonly Message[] } | { status: 'elsewhere' }

/**
 * Adds messages to the queue, which is the table: what is pending is read from it (pending-messages.ts). The order is the guarantee:
 * 1. Acquire the lease, unless this process has had it since its last insert.
 * 2. Decide what to announce, on what is stored by then. A crash up to here leaves nothing.
 * 3. Insert the messages through the fence. A crash before an insert: the next run decides the same again. A crash after it: the next
 *    run finds its messages and adds only the others. Whether the rows of a failed insert are stored is unknown, so the lease is given up: the next
 *    acquisition kills the insert or fences it off before anything is read.
 * Two processes that decide the same message give it the same id; the second one finds it stored, or is fenced off.
 */
export class MessageQueue {
  readonly #clickhouse: ClickHouse
  #lease: Lease | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(clickhouse: ClickHouse) {
    this.#clickhouse = clickhouse
  }

  /** One at a time within a process. Messages whose ids are stored already are left out. Throws StoreError, and what `decide` throws. */
  append(decide: () => Promise<readonly Message[]>): Promise<AppendOutcome> {
    const appending = this.#last.then(() => this.#append(decide))
    this.#last = appending.catch(() => {})
    return appending
  }

  /** Like append, but acquires no lease when all of the messages are stored already, or there are none. */
  async offer(decide: () => Promise<readonly Message[]>): Promise<AppendOutcome> {
    return (await this.#newOnes(await decide())).length === 0 ? { status: 'appended', messages: [] } : this.append(decide)
  }

  async #append(decide: () => Promise<readonly Message[]>): Promise<AppendOutcome> {
    this.#lease ??= await this.#acquire()
    const lease = this.#lease
    if (lease === undefined) return { status: 'elsewhere' }
    try {
      const messages = await this.#newOnes(await decide())
      for (let first = 0; first < messages.length; first += MESSAGES_PER_INSERT_MAX)
        await this.#insert(lease, messages.slice(first, first + MESSAGES_PER_INSERT_MAX))
      return { status: 'appended', messages }
    } catch (thrown) {
      this.#lease = undefined
      if (thrown instanceof StoreError && thrown.fault === 'fenced') return { status: 'elsewhere' }
      throw thrown
    }
  }

  async #acquire(): Promise<Lease | undefined> {
    // Two processes that keep acquiring would kill each other's inserts.
    if (await isAnyInsertRunning(this.#clickhouse, MESSAGES_LEASE)) return undefined
    const acquired = await acquireLease(this.#clickhouse, MESSAGES_LEASE)
    return acquired.status === 'acquired' ? acquired.lease : undefined
  }

  async #newOnes(decided: readonly Message[]): Promise<Message[]> {
    const stored = await storedMessageIds(
      this.#clickhouse,
      decided.map(({ id }) => id),
    )
    return decided.filter(({ id }) => !stored.has(id))
  }

  async #insert({ name, epoch, owner }: Lease, messages: readonly Message[]): Promise<void> {
    const text = messages.map((message) => messageRow([name, epoch, owner], message)).join('')
    await this.#clickhouse.work.insert({ table: 'webhook_messages_inbox_v1', columns: MESSAGE_COLUMNS, text, tag: leaseTag(name) })
  }
}
