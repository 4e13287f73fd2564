import { z } from 'zod'
import type { ClickHouse } from './clickhouse.ts'
import { defineQuery } from './query.ts'

export interface DiskSpace {
  readonly disk: string
  readonly freeBytes: number
  readonly totalBytes: number
}

/** The local disks of the store: an object storage has no size. With several shards, those of each one. Throws StoreError. */
export async function readDiskSpace(clickhouse: ClickHouse): Promise<DiskSpace[]> {
  if (clickhouse.shards === undefined) return clickhouse.control.query(diskSpace, {})
  const ofShards = await Promise.all(clickhouse.shards.map(({ control }) => control.query(diskSpace, {})))
  return ofShards.flatMap((disks, index) => disks.map(({ disk, ...space }) => ({ disk: `shard ${index + 1}: ${disk}`, ...space })))
}

const diskSpace = defineQuery({
  name: 'disk_space',
  sql: `SELECT name AS disk, unreserved_space AS freeBytes, total_space AS totalBytes FROM system.disks WHERE lower(type) = 'local' ORDER BY name`,
  params: z.object({}),
  row: z.object({ disk: z.string(), freeBytes: z.coerce.number(), totalBytes: z.coerce.number() }),
})
