import { z } from 'zod'
import type { Month } from '../../metering/month.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { MONTHS_IN_REBUILD } from '../../sql/months-in-rebuild.ts'
import { defineQuery } from '../../sql/query.ts'

/** The months whose rebuild has begun and not ended. Throws StoreError. */
export async function readMonthsInRebuild({ work }: ClickHouse): Promise<Month[]> {
  return (await work.query(monthsInRebuild, {})).map(({ month }) => month)
}

const monthsInRebuild = defineQuery({
  name: 'months_in_rebuild',
  sql: MONTHS_IN_REBUILD,
  params: z.object({}),
  row: z.object({ month: z.string() }),
})
