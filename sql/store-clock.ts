import { z } from 'zod'
import type { Lane } from './clickhouse.ts'
import { defineQuery } from './query.ts'
import { queryOne } from './query-one.ts'

/** The clock of the store in ms since 1970, at some moment between the call and the answer. Throws StoreError. */
export async function readStoreClock(lane: Lane): Promise<number> {
  const { storeMs } = await queryOne(lane, storeClock, {})
  return storeMs
}

const storeClock = defineQuery({
  name: 'store_clock',
  sql: 'SELECT toUnixTimestamp64Milli(now64(3)) AS storeMs',
  params: z.object({}),
  row: z.object({ storeMs: z.coerce.number() }),
})
