import { z } from 'zod'
import type { Lane } from './clickhouse.ts'
import { defineQuery } from './query.ts'

export interface DiskSpace {
  readonly disk: string
  readonly freeBytes: number
  readonly totalBytes: number
}

/** The local disks of the store: an object storage has no size. Throws StoreError. */
export async function readDiskSpace(lane: Pick<Lane, 'query'>): Promise<DiskSpace[]> {
  return lane.query(diskSpace, {})
}

const diskSpace = defineQuery({
  name: 'disk_space',
  sql: `SELECT name AS disk, unreserved_space AS freeBytes, total_space AS totalBytes FROM system.disks WHERE lower(type) = 'local' ORDER BY name`,
  params: z.object({}),
  row: z.object({ disk: z.string(), freeBytes: z.coerce.number(), totalBytes: z.coerce.number() }),
})
