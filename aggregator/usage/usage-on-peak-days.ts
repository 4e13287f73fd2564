import { z } from 'zod'
import type { Quantity } from '../../metering/quantity.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { perSource, queryPlainFirst } from './effective-usage.ts'
import type { PartnershipUsage } from './partnership-usage.ts'
import { valueOrNoUsage } from './usage-quantities.ts'

/** A project's value of each metric in `peakDays` of its partnership, on that day. */
export type OnPeakDays = ReadonlyMap<string, Quantity>

/**
 * What each project of a page contributed to the peaks of its partnership. Added up over all projects, deleted ones included, they
 * are the partnership's peaks exactly: its day is the sum of the values that its projects have on that day. A project's own maximum,
 * which may be of another day, does not add up. 0 for a project without a sample on the day, and where there is no peak. Throws StoreError.
 */
export async function readUsageOnPeakDays(
  { reads }: ClickHouse,
  projectIds: readonly string[],
  peakDays: PartnershipUsage['peakDays'],
): Promise<(projectId: string) => OnPeakDays> {
  const days = [...new Set(peakDays.values())].filter((day) => day !== null)
  const isEmpty = projectIds.length === 0 || days.length === 0
  const rows = isEmpty ? [] : await queryPlainFirst(reads, usageOnDays, { projectIds: [...projectIds], days, peaks: [...peakDays.keys()] })
  const onPeakDay = (projectId: string, metric: string) =>
    valueOrNoUsage(rows.find((row) => row.projectId === projectId && row.metric === metric && row.day === peakDays.get(metric)))
  return (projectId) => new Map([...peakDays.keys()].map((metric) => [metric, onPeakDay(projectId, metric)]))
}

const usageOnDays = perSource((from) =>
  defineQuery({
    name: 'peaks_of_projects_on_days',
    sql: `SELECT project_id AS projectId, usage_date AS day, metric, max(peak) AS value, sum(corrections) AS corrections
        FROM ${from('project_id IN {projectIds: Array(String)} AND usage_date IN {days: Array(Date)} AND metric IN {peaks: Array(String)}')}
        GROUP BY project_id, usage_date, metric`,
    params: z.object({ projectIds: z.array(z.string()), days: z.array(z.string()), peaks: z.array(z.string()) }),
    row: z.object({ projectId: z.string(), day: z.string(), metric: z.string(), value: z.string(), corrections: z.coerce.number() }),
  }),
)
