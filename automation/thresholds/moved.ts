import { z } from 'zod'
import { readMonthsInRebuild } from '../../aggregator/usage/months-in-rebuild.ts'
import { type Month, monthOf } from '../../metering/month.ts'
import { dayOf, MS_PER_DAY } from '../../metering/timestamp.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'

/** What is evaluated reaches back so far: a month that stays open longer is no alarm any more. */
export const EVALUATED_MONTHS = 12
const EVALUATED_DAYS = EVALUATED_MONTHS * 31

/** What an evaluation depends on, as it was read before it. */
export interface Moved {
  /** The month in which the oldest active threshold was set; null without any. */
  readonly createdIn: Month | null
  /** Differs when any active threshold does. */
  readonly version: string
  readonly inRebuild: readonly Month[]
  /** The number of changes of each day through which partnership days are materialized. */
  readonly days: ReadonlyMap<string, number>
}

/** Read it before the usage: what moves in between is then evaluated again. Throws StoreError. */
export async function readMoved(clickhouse: ClickHouse, nowMs: number): Promise<Moved> {
  const thresholds = await queryOne(clickhouse.work, thresholdsVersion, {})
  if (thresholds.createdIn === null) return { ...thresholds, inRebuild: [], days: new Map() }
  const inRebuild = await readMonthsInRebuild(clickhouse)
  const days = await clickhouse.work.query(materializedDays, { from: dayOf(nowMs - EVALUATED_DAYS * MS_PER_DAY) })
  return { ...thresholds, inRebuild, days: new Map(days.map(({ day, kept }) => [day, kept])) }
}

/**
 * The months to evaluate, ascending: those with a day that moved since `seen`, or all of them when a threshold did. A month in rebuild is
 * evaluated when that ends: meanwhile nothing that was computed from its rollup may be used.
 */
export function monthsToEvaluate({ createdIn, version, inRebuild, days }: Moved, seen: Moved | undefined): Month[] {
  if (createdIn === null) return []
  const isNew = seen?.version !== version
  const moved = [...days].filter(([day, kept]) => isNew || seen.days.get(day) !== kept).map(([day]) => monthOf(day))
  // A rebuild may have ended without a further change of its days.
  const rebuilt = seen?.inRebuild ?? []
  return [...new Set([...moved, ...rebuilt])].filter((month) => month >= createdIn && !inRebuild.includes(month)).sort()
}

const thresholdsVersion = defineQuery({
  name: 'thresholds_version',
  sql: `SELECT if(count() = 0, NULL, formatDateTime(min(created_at), '%Y-%m')) AS createdIn,
          toString(groupBitXor(cityHash64(threshold_id, revision))) AS version
        FROM thresholds_v1 FINAL WHERE removed_at IS NULL AND is_active = 1`,
  params: z.object({}),
  row: z.object({ createdIn: z.string().nullable(), version: z.string() }),
})

const materializedDays = defineQuery({
  name: 'materialized_days_of_thresholds',
  sql: 'SELECT usage_date AS day, kept FROM usage_days_v1 WHERE usage_date >= {from: Date}',
  params: z.object({ from: z.string() }),
  row: z.object({ day: z.string(), kept: z.coerce.number() }),
})
