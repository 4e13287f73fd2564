import type { TableOnDisk } from './sharded-stores.ts'

/** What is on disk for the events of one server, everything merged. Throws if a table is missing. */
export function storedFigures(tables: ReadonlyMap<string, TableOnDisk>, events: number): Record<string, number> {
  const [raw, index, rollup] = ['raw_usage_events_v1', 'identity_hashes_v1', 'project_usage_per_day_v1'].map((name) => {
    const table = tables.get(name)
    if (table === undefined || table.rows === 0) throw new Error(`The table ${name} is empty.`)
    return table
  }) as [TableOnDisk, TableOnDisk, TableOnDisk]
  return {
    raw_per_event_bytes: raw.bytes / events,
    index_per_event_bytes: index.bytes / events,
    rollup_per_row_bytes: rollup.bytes / rollup.rows,
    rollup_rows: rollup.rows,
  }
}
