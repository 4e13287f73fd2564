import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { type DiskSpace, readDiskSpace } from '../../sql/disk-space.ts'
import { defineQuery } from '../../sql/query.ts'
import { shardsOf } from '../../sql/shards.ts'

/** The largest tables; the others are small. */
const TABLES_MAX = 20

export interface DatabaseSize {
  readonly disks: readonly DiskSpace[]
  /** The largest first. */
  readonly tables: readonly z.output<typeof TableRow>[]
}

/** The disks of the store, and its largest tables. Throws StoreError. */
export async function readDatabaseSize(clickhouse: ClickHouse): Promise<DatabaseSize> {
  const disks = await readDiskSpace(clickhouse)
  const ofShards = await Promise.all(shardsOf(clickhouse).map(({ reads }) => reads.query(largestTables, {})))
  const tables = new Map<string, z.output<typeof TableRow>>()
  for (const { name, ...size } of ofShards.flat()) {
    const before = tables.get(name) ?? { rows: 0, bytes: 0, parts: 0 }
    tables.set(name, { name, rows: before.rows + size.rows, bytes: before.bytes + size.bytes, parts: before.parts + size.parts })
  }
  return { disks, tables: [...tables.values()].sort((one, other) => other.bytes - one.bytes || (one.name < other.name ? -1 : 1)).slice(0, TABLES_MAX) }
}

const TableRow = z.object({ name: z.string(), rows: z.coerce.number(), bytes: z.coerce.number(), parts: z.coerce.number() })

/** Active parts only: what a merge has replaced is about to be deleted. */
const largestTables = defineQuery({
  name: 'largest_tables',
  sql: `
    SELECT table AS name, sum(p.rows) AS rows, sum(p.bytes_on_disk) AS bytes, count() AS parts
    FROM system.parts AS p
    WHERE p.database = currentDatabase() AND p.active
    GROUP BY name ORDER BY bytes DESC, name LIMIT ${TABLES_MAX}`,
  params: z.object({}),
  row: TableRow,
})
