import { readRows } from './server-rows.ts'

export interface StoredTable {
  readonly name: string
  readonly rows: number
  readonly parts: number
  readonly bytes: number
}

/** Queries the database of a soak over HTTP, without the product's own client. */
export class SoakStore {
  readonly #url: string

  /** A URL as in CLICKHOUSE_URL; its path is the database. */
  constructor(url: string) {
    this.#url = url
  }

  /** The rows of raw, which are the counted events as long as none is stored twice. 0 while there is no table. */
  async counted(): Promise<number> {
    const [row] = await this.#rows(`SELECT total_rows FROM system.tables WHERE database = currentDatabase() AND name = 'raw_usage_events_v1'`)
    return Number(row?.[0] ?? 0)
  }

  async memoryBytes(): Promise<number> {
    const [row] = await this.#rows("SELECT value FROM system.metrics WHERE metric = 'MemoryTracking'")
    return Number(row?.[0])
  }

  /** Every table that has rows, the largest first. */
  async tables(): Promise<StoredTable[]> {
    const rows = await this.#rows(`SELECT table, sum(rows), count(), sum(bytes_on_disk) FROM system.parts
      WHERE active AND database = currentDatabase() GROUP BY table ORDER BY sum(rows) DESC, table`)
    return rows.map(([name = '', count, parts, bytes]) => ({ name, rows: Number(count), parts: Number(parts), bytes: Number(bytes) }))
  }

  /** Throws unless raw and the rollup have exactly so many events, each once. */
  async requireCounted(events: number): Promise<void> {
    const [row] = await this.#rows(`SELECT count(), (SELECT count() FROM raw_usage_events_v1 FINAL), (SELECT sum(events) FROM project_usage_per_day_v1)
      FROM raw_usage_events_v1`)
    if (row?.every((count) => Number(count) === events) === true) return
    throw new Error(`${events} events were sent, but raw has ${row?.[0]} rows of ${row?.[1]} events, and the rollup has ${row?.[2]} events.`)
  }

  #rows(sql: string): Promise<string[][]> {
    return readRows(this.#url, sql)
  }
}
