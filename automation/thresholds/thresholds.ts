import { z } from 'zod'
import { KIND_OF_METRIC, UNIT_OF_METRIC } from '../../aggregator/usage/known-metrics.ts'
import { METRIC_KINDS, type MeasuredMetric } from '../../metering/metrics.ts'
import type { Quantity } from '../../metering/quantity.ts'
import type { RegistryReads } from '../../registry/changes.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { type Level, parseLevels } from './levels.ts'

/** Times in ms since 1970. */
export interface Threshold extends MeasuredMetric {
  readonly id: string
  readonly revision: number
  /** The partner that set it; empty for operators. */
  readonly setBy: string
  readonly partnerId: string
  /** Empty when the usage of all projects of the partner counts together. */
  readonly projectId: string
  readonly levels: readonly Level[]
  readonly budget: Quantity | null
  readonly isActive: boolean
  readonly createdMs: number
  readonly updatedMs: number
  readonly removedMs: number | null
}

/** Those of a partner, or with an empty `setBy` those of operators, that are not removed, oldest first. Throws StoreError. */
export function listThresholds({ clickhouse }: RegistryReads, setBy: string): Promise<Threshold[]> {
  return clickhouse.registry.query(thresholdsSetBy, { setBy })
}

/** Also a removed one. Throws StoreError. */
export async function findThreshold({ clickhouse }: RegistryReads, thresholdId: string): Promise<Threshold | undefined> {
  const [found] = await clickhouse.registry.query(thresholdsById, { ids: [thresholdId] })
  return found
}

/** The active ones among these. Throws StoreError. */
export async function readActiveThresholds({ work }: ClickHouse, ids: readonly string[]): Promise<Threshold[]> {
  return (await work.query(thresholdsById, { ids: [...ids] })).filter(({ isActive, removedMs }) => isActive && removedMs === null)
}

/** Throws StoreError. */
export async function countActiveThresholds({ registry }: Pick<ClickHouse, 'registry'>): Promise<number> {
  return (await queryOne(registry, activeThresholds, {})).thresholds
}

const activeThresholds = defineQuery({
  name: 'active_threshold_count',
  sql: 'SELECT count() AS thresholds FROM thresholds_v1 FINAL WHERE is_active = 1 AND removed_at IS NULL',
  params: z.object({}),
  row: z.object({ thresholds: z.coerce.number() }),
})

const ThresholdRow = z.object({
  id: z.string(),
  revision: z.coerce.number(),
  setBy: z.string(),
  partnerId: z.string(),
  projectId: z.string(),
  metric: z.string(),
  kind: z.enum(METRIC_KINDS),
  unit: z.string(),
  levels: z.string().transform(parseLevels),
  budget: z.string().transform((text) => (text === '' ? null : text)),
  isActive: z.number().transform((value) => value === 1),
  createdMs: z.coerce.number(),
  updatedMs: z.coerce.number(),
  removedMs: z.coerce.number().nullable(),
})

const THRESHOLD_SELECT = `SELECT threshold_id AS id, revision, set_by AS setBy, partner_id AS partnerId, project_id AS projectId, metric,
          ${KIND_OF_METRIC} AS kind, ${UNIT_OF_METRIC} AS unit, levels, budget,
          is_active AS isActive, toUnixTimestamp64Milli(created_at) AS createdMs, toUnixTimestamp64Milli(updated_at) AS updatedMs,
          toUnixTimestamp64Milli(removed_at) AS removedMs
        FROM thresholds_v1 FINAL`

const thresholdsSetBy = defineQuery({
  name: 'thresholds_set_by',
  sql: `${THRESHOLD_SELECT} WHERE set_by = {setBy: String} AND removed_at IS NULL ORDER BY created_at, threshold_id`,
  params: z.object({ setBy: z.string() }),
  row: ThresholdRow,
})

const thresholdsById = defineQuery({
  name: 'thresholds_by_id',
  sql: `${THRESHOLD_SELECT} WHERE threshold_id IN {ids: Array(String)}`,
  params: z.object({ ids: z.array(z.string()) }),
  row: ThresholdRow,
})
