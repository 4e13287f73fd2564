import { z } from 'zod'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { acquireLease, type Lease, leaseTag, newOwnerName } from '../sql/lease.ts'
import { defineQuery } from '../sql/query.ts'
import { row } from '../sql/tab-separated.ts'

export interface HeldLeaseLimits {
  /** How often the owner gives a sign of life. */
  readonly beatEveryMs: number
  /** How long another process waits without a sign of life before it acquires the lease. */
  readonly takeOverAfterMs: number
}

export const HELD_LEASE_LIMITS: HeldLeaseLimits = { beatEveryMs: 5_000, takeOverAfterMs: 20_000 }

export interface HeldLeaseOptions extends HeldLeaseLimits {
  readonly clickhouse: ClickHouse
  readonly name: string
  /** Monotonic, in ms. */
  readonly uptimeMs: () => number
}

/**
 * The lease of the process that does something which one process at a time should do. A lease has no end of its own, so its owner gives
 * signs of life, and the others acquire it when these stop, each by its own monotonic clock. That only keeps processes from taking the
 * lease from each other all the time: what keeps two of them from writing is the fence, and what is not fenced may be done twice.
 */
export class HeldLease {
  readonly #options: HeldLeaseOptions
  #held: { readonly lease: Lease; beat: number; beatAtMs: number } | undefined
  /** Of this process's last acquisition: after a failed write it acquires the lease again immediately. */
  #ownerName: string | undefined
  #seen = { sign: '', sinceMs: 0 }

  constructor(options: HeldLeaseOptions) {
    this.#options = options
  }

  /**
   * The lease, acquired if that is possible now; undefined while another process has it. `isNew`: what was read under an earlier one may
   * be outdated. Throws StoreError.
   */
  async hold(): Promise<{ readonly lease: Lease; readonly isNew: boolean } | undefined> {
    const kept = await this.keep()
    if (kept !== undefined) return { lease: kept, isNew: false }
    if (!(await this.#mayAcquire())) return undefined
    this.#ownerName = newOwnerName()
    const outcome = await acquireLease(this.#options.clickhouse, this.#options.name, { owner: this.#ownerName })
    if (outcome.status === 'outranked') return undefined
    this.#held = { lease: outcome.lease, beat: 0, beatAtMs: 0 }
    await this.#beat()
    return { lease: outcome.lease, isNew: true }
  }

  /**
   * The lease, if this process has it, with a sign of life when it is time for one; it is not acquired. `hold` does so too; an owner whose
   * other work may take longer than `takeOverAfterMs` also calls this from a timer. Throws StoreError, `fenced` when another process has
   * the lease.
   */
  async keep(): Promise<Lease | undefined> {
    const held = this.#held
    if (held === undefined) return undefined
    const { uptimeMs, beatEveryMs } = this.#options
    if (uptimeMs() - held.beatAtMs >= beatEveryMs) await this.#beat()
    return held.lease
  }

  /** Call it when a write under the lease failed: whether it will be stored is unknown, so nothing more is written under it. */
  drop(): void {
    this.#held = undefined
  }

  /** Lets the others know that they need not wait. Throws StoreError. */
  async release(): Promise<void> {
    if (this.#held === undefined) return
    await this.#beat(true)
    this.#held = undefined
  }

  async #beat(isReleased = false): Promise<void> {
    const held = this.#held
    if (held === undefined) return
    const { clickhouse, uptimeMs } = this.#options
    const { name, epoch, owner } = held.lease
    held.beat += 1
    held.beatAtMs = uptimeMs()
    // Not on the lane of long work: a sign of life that waits for it would come too late.
    const text = row([name, epoch, owner, held.beat, Number(isReleased)])
    await clickhouse.control.insert({ table: 'schedule_beats_inbox_v1', columns: ['log', 'epoch', 'owner', 'beat', 'released'], text, tag: leaseTag(name) })
  }

  async #mayAcquire(): Promise<boolean> {
    const { clickhouse, name: log, takeOverAfterMs, uptimeMs } = this.#options
    const [newest] = await clickhouse.control.query(newestBeat, { log })
    if (newest === undefined || newest.released === 1 || newest.owner === this.#ownerName) return true
    const sign = JSON.stringify([newest.owner, newest.beat])
    if (this.#seen.sign !== sign) this.#seen = { sign, sinceMs: uptimeMs() }
    return uptimeMs() - this.#seen.sinceMs >= takeOverAfterMs
  }
}

const newestBeat = defineQuery({
  name: 'newest_beat',
  sql: `SELECT newest.2 AS owner, newest.3 AS beat, newest.4 AS released
        FROM (SELECT max(newest) AS newest FROM schedule_beats_v1 WHERE log = {log: String} GROUP BY log)`,
  params: z.object({ log: z.string() }),
  row: z.object({ owner: z.string(), beat: z.coerce.number(), released: z.number() }),
})
