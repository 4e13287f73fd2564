import { z } from 'zod'
import { isKindOfStates, type MeasuredMetric } from '../../metering/metrics.ts'
import type { Period } from '../../metering/period.ts'
import { MATCHING_PROJECTS, type ProjectFilter } from '../../registry/projects/list-projects.ts'
import {
  defineProjectOrder,
  fixRest,
  type OrderedList,
  type ProjectOrder,
  readFirstPage,
  type Shown,
  type Walk,
  type WalkStart,
} from '../../registry/projects/walk-projects.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { perSource, readSource } from './effective-usage.ts'

export interface OrderOfProjects {
  readonly key: 'name' | 'created_at' | 'last_activity_at' | MeasuredMetric
  readonly isDescending: boolean
  /** The days whose usage counts in an order by a metric. */
  readonly period: Period
}

/** An order with its direction and its own parameters. Both functions throw StoreError. */
export interface SelectedOrder {
  firstPage(clickhouse: ClickHouse, filter: ProjectFilter, limit: number): Promise<string[]>
  fixRest(clickhouse: ClickHouse, filter: ProjectFilter, start: Pick<WalkStart, 'newestMs'> & Shown): Promise<Walk>
}

/** Sorting by usage reads the rollup of all matching projects, for the first and for the second page. */
export function orderOfProjects({ key, isDescending, period: { first: from, end } }: OrderOfProjects): SelectedOrder {
  if (key === 'name' || key === 'created_at') return selected(BY_NAME_OR_CREATION, isDescending, { by: key })
  if (key === 'last_activity_at') return selected(BY_ACTIVITY, isDescending, {})
  const own = { metric: key.metric, from, end }
  if (key.kind !== 'peak' && !isKindOfStates(key.kind)) return selected(BY_METRIC.plain, isDescending, { ...own, isPeak: 0 })
  const orderFor = async (clickhouse: ClickHouse) =>
    selected(BY_METRIC[await readSource(clickhouse.reads, own)], isDescending, { ...own, isPeak: key.kind === 'peak' ? 1 : 0 })
  return {
    firstPage: async (clickhouse, ...list) => (await orderFor(clickhouse)).firstPage(clickhouse, ...list),
    fixRest: async (clickhouse, ...list) => (await orderFor(clickhouse)).fixRest(clickhouse, ...list),
  }
}

function selected(order: ProjectOrder, isDescending: boolean, own: object): SelectedOrder {
  const listOf = (filter: ProjectFilter): OrderedList => ({ ...own, ...filter, isDescending: isDescending ? 1 : 0 })
  return {
    firstPage: (clickhouse, filter, limit) => readFirstPage(clickhouse, order, listOf(filter), limit),
    fixRest: (clickhouse, filter, start) => fixRest(clickhouse, order, listOf(filter), start),
  }
}

/** By name, in any case, or by time of creation. Times are padded with zeros, so that their texts compare like numbers. */
const BY_NAME_OR_CREATION = defineProjectOrder(
  'projects_in_order',
  `SELECT project_id, if({by: String} = 'name', lowerUTF8(name), leftPad(toString(toUnixTimestamp64Milli(created_at)), 20, '0')) AS sort_key
   FROM ${MATCHING_PROJECTS}`,
  { by: z.enum(['name', 'created_at']) },
)

/** By the value of one metric over a period. A project without usage has no row in the rollup: the join gives it 0, which is its value. */
const BY_METRIC = perSource((from) =>
  defineProjectOrder(
    'projects_by_metric',
    `SELECT matching.project_id AS project_id, used.sort_key AS sort_key
   FROM (SELECT project_id FROM ${MATCHING_PROJECTS}) AS matching
   LEFT JOIN (
     SELECT project_id, if({isPeak: UInt64} = 1, toDecimal256(max(peak), 9), sum(total)) AS sort_key
     FROM ${from(`project_id IN (SELECT project_id FROM ${MATCHING_PROJECTS})
       AND metric = {metric: String} AND usage_date >= {from: Date} AND usage_date < {end: Date}`)}
     GROUP BY project_id, metric
   ) AS used USING project_id`,
    { metric: z.string(), isPeak: z.number(), from: z.string(), end: z.string() },
  ),
)

/** By the last activity. A project without any gets 0 from the join and so counts as the oldest. */
const BY_ACTIVITY = defineProjectOrder(
  'projects_by_activity',
  `SELECT matching.project_id AS project_id, used.sort_key AS sort_key
   FROM (SELECT project_id FROM ${MATCHING_PROJECTS}) AS matching
   LEFT JOIN (
     SELECT project_id, toUnixTimestamp64Milli(max(last_event_at)) AS sort_key
     FROM project_usage_per_day_v1
     WHERE project_id IN (SELECT project_id FROM ${MATCHING_PROJECTS})
     GROUP BY project_id
   ) AS used USING project_id`,
  {},
)
