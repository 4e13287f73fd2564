import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { acquireLease, newOwnerName } from '../../sql/lease.ts'
import { defineQuery } from '../../sql/query.ts'

export interface SlotLimits {
  /** The process that has the slot renews it after this time. */
  readonly renewAfterMs: number
  /** A slot that was not renewed for so long is free: its process has ended, or hangs. */
  readonly endsAfterMs: number
}

const SLOT_LIMITS: SlotLimits = { renewAfterMs: 10_000, endsAfterMs: 30_000 }

/**
 * Which one of several processes does something that may be done twice but should not be, such as calling a receiver. The slot is the
 * newest acquisition of a lease, by its age on the store's clock: the clocks of the processes may differ. It fences nothing: for a
 * moment two processes may think that it is theirs.
 */
export class DeliverySlot {
  readonly #clickhouse: ClickHouse
  readonly #name: string
  readonly #limits: SlotLimits
  #owner: string | undefined

  constructor(clickhouse: ClickHouse, name: string, limits: SlotLimits = SLOT_LIMITS) {
    this.#clickhouse = clickhouse
    this.#name = name
    this.#limits = limits
  }

  /** Whether this process has the slot, which it acquires if no other has it. Throws StoreError. */
  async isMine(): Promise<boolean> {
    const [newest] = await this.#clickhouse.control.query(newestSlot, { name: this.#name })
    const mine = newest !== undefined && newest.owner === this.#owner
    if (mine && newest.ageMs < this.#limits.renewAfterMs) return true
    if (!mine && newest !== undefined && newest.ageMs < this.#limits.endsAfterMs) return false
    this.#owner = newOwnerName()
    return (await acquireLease(this.#clickhouse, this.#name, { owner: this.#owner })).status === 'acquired'
  }
}

const newestSlot = defineQuery({
  name: 'newest_delivery_slot',
  sql: `SELECT newest.2 AS owner, toUnixTimestamp64Milli(now64(3)) - toUnixTimestamp64Milli(newest.3) AS ageMs
        FROM (SELECT max(newest) AS newest FROM leases_v1 WHERE name = {name: String} GROUP BY name)`,
  params: z.object({ name: z.string() }),
  row: z.object({ owner: z.string(), ageMs: z.coerce.number() }),
})
