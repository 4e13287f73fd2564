import { z } from 'zod'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { defineQuery } from '../../../sql/query.ts'
import { queryOne } from '../../../sql/query-one.ts'
import { untilSo } from '../until-so.ts'

/**
 * Waits until a service has computed the partnership days of all projects; it computes them again only when they change. A test that
 * refreshes them itself competes with the service, which may record the days of new projects as changed a moment later.
 */
export async function untilServiceRefreshed({ control }: ClickHouse): Promise<void> {
  await untilSo(async () => (await queryOne(control, refreshedThrough, {})).refreshed)
}

const refreshedThrough = defineQuery({
  name: 'test_refreshed_through',
  sql: `SELECT (SELECT max(through) FROM partnership_projects_kept_v1) >= (SELECT max(created_at) FROM projects_v1)
          AND (SELECT count() FROM usage_day_changes_v1 FINAL WHERE kept != changes) = 0 AS refreshed`,
  params: z.object({}),
  row: z.object({ refreshed: z.coerce.number().transform((refreshed) => refreshed === 1) }),
})
