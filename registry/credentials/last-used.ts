import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'

/**
 * When credentials were last used. Noted in memory with every request and stored periodically. Nothing is decided by it, so a
 * crash may lose the last minute. Only existing credentials are noted, which bounds the memory.
 */
export class LastUsed {
  readonly #clickhouse: ClickHouse
  #noted = new Map<string, number>()

  constructor(clickhouse: ClickHouse) {
    this.#clickhouse = clickhouse
  }

  note(credentialId: string): void {
    this.#noted.set(credentialId, Date.now())
  }

  /** Stores what was noted since the last call. Idempotent, because the table keeps the maximum. Throws StoreError. */
  async store(): Promise<void> {
    if (this.#noted.size === 0) return
    const noted = this.#noted
    this.#noted = new Map()
    try {
      const text = [...noted].map(([id, usedMs]) => row([id, secondsOf(usedMs)])).join('')
      await this.#clickhouse.registry.insert({ table: 'credential_uses_v1', columns: ['credential_id', 'used_at'], text })
    } catch (thrown) {
      this.#noted = new Map([...noted, ...this.#noted])
      throw thrown
    }
  }

  /** In ms since 1970, for credentials that were ever used. Uses that other processes have not stored yet are missing. Throws StoreError. */
  async of(credentialIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    if (credentialIds.length === 0) return new Map()
    const stored = await this.#clickhouse.registry.query(credentialUses, { credentialIds: [...credentialIds] })
    const uses = new Map(stored.map(({ id, usedMs }) => [id, usedMs]))
    for (const id of credentialIds) {
      const notedMs = this.#noted.get(id)
      if (notedMs !== undefined) uses.set(id, Math.max(notedMs, uses.get(id) ?? notedMs))
    }
    return uses
  }
}

/** A time as seconds since 1970, which the store parses without a time zone. */
function secondsOf(ms: number): string {
  return (ms / 1000).toFixed(3)
}

const credentialUses = defineQuery({
  name: 'credential_uses',
  sql: `SELECT credential_id AS id, toUnixTimestamp64Milli(max(used_at)) AS usedMs FROM credential_uses_v1
        WHERE credential_id IN {credentialIds: Array(String)} GROUP BY credential_id`,
  params: z.object({ credentialIds: z.array(z.string()) }),
  row: z.object({ id: z.string(), usedMs: z.coerce.number() }),
})
