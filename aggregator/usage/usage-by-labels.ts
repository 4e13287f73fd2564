import { z } from 'zod'
import { LABEL_SETS_MAX } from '../../metering/labels.ts'
import type { MeasuredMetric } from '../../metering/metrics.ts'
import type { Period } from '../../metering/period.ts'
import type { Quantity } from '../../metering/quantity.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { havingCounted, perSource, queryPlainFirst, type SourceName, type UsageSource } from './effective-usage.ts'
import { PROJECTS_OF_PARTNER } from './projects-of-partner.ts'

/** The usage of one metric, divided by labels. */
export interface LabelledUsage extends MeasuredMetric {
  /** The greatest first, on ties by their labels. */
  readonly groups: readonly LabelGroup[]
  /** The usage of all further groups as one; undefined if there are none. */
  readonly rest: Quantity | undefined
}

export interface LabelGroup {
  /** The label of each requested key, in their order; '' for events without it. */
  readonly labels: readonly string[]
  readonly value: Quantity
}

export interface LabelledScope {
  readonly of: { readonly projectId: string } | { readonly partnerId: string }
  readonly period: Period
  readonly keys: readonly string[]
  readonly metrics: readonly MeasuredMetric[]
}

/**
 * The usage of a period by labels. Each group adds up as its metric does: of a project the sum of its days or its greatest one, and a
 * partnership's day is the sum over its projects. So the groups of a sum add up to the total exactly, and those of a peak do not: each is a
 * maximum of its own. Metrics without usage are left out. Throws StoreError.
 */
export async function readUsageByLabels({ reads }: Pick<ClickHouse, 'reads'>, { of, period, keys, metrics }: LabelledScope): Promise<LabelledUsage[]> {
  const scope = 'projectId' in of ? BY_SCOPE.project : BY_SCOPE.partner
  const names = metrics.map(({ metric }) => metric)
  const peaks = metrics.filter(({ kind }) => kind === 'peak').map(({ metric }) => metric)
  const params = { projectId: '', partnerId: '', ...of, from: period.first, end: period.end, keys: [...keys], metrics: names, peaks }
  const found = await queryPlainFirst(reads, scope.groups, params, 'elsewhere')
  const isTruncated = metrics.some(({ metric }) => found.filter((row) => row.metric === metric).length > LABEL_SETS_MAX)
  // The rest and the groups before it are read by one statement, so that nothing is missing or in both of them.
  const rows = isTruncated ? await queryPlainFirst(reads, scope.groupsAndRest, params, 'elsewhere') : found
  return metrics.flatMap((measured) => {
    const all = rows.filter(({ metric }) => metric === measured.metric)
    const groups = all.filter(({ labels }) => labels.length > 0).map(({ labels, value }) => ({ labels, value }))
    const rest = all.find(({ labels }) => labels.length === 0)?.value
    return all.length === 0 ? [] : [{ metric: measured.metric, kind: measured.kind, unit: measured.unit, groups, rest }]
  })
}

/** The usage of each project's day in each group. */
function daysOfProjects(from: UsageSource, source: SourceName, projects: string): string {
  return `
        SELECT metric, arrayMap(key -> JSONExtractString(labels, key), {keys: Array(String)}) AS label_group, project_id, usage_date,
          toDecimal256(max(peak), 9) AS project_peak, sum(total) AS project_total, sum(corrections) AS project_corrections
        FROM ${from(`${projects} AND usage_date >= {from: Date} AND usage_date < {end: Date} AND metric IN {metrics: Array(String)}`)}
        GROUP BY metric, label_group, project_id, usage_date ${havingCounted(source)}`
}

/** The value of a group over the period, by the sums of its projects' days. */
function valuesOf(group: string, days: string): string {
  return `
      SELECT metric, ${group}, if(metric IN {peaks: Array(String)}, max(day_peak), sum(day_total)) AS group_value, sum(day_corrections) AS group_corrections
      FROM (
        SELECT metric, ${group}, usage_date, sum(project_peak) AS day_peak, sum(project_total) AS day_total, sum(project_corrections) AS day_corrections
        FROM (${days})
        GROUP BY metric, ${group}, usage_date
      )
      GROUP BY metric, ${group}`
}

const LabelRow = z.object({ metric: z.string(), labels: z.array(z.string()), value: z.string(), corrections: z.coerce.number() })
const Params = z.object({
  projectId: z.string(),
  partnerId: z.string(),
  from: z.string(),
  end: z.string(),
  keys: z.array(z.string()),
  metrics: z.array(z.string()),
  peaks: z.array(z.string()),
})

const groupsOf = (projects: string, name: string) =>
  perSource((from, source) =>
    defineQuery({
      name: `${name}_usage_by_labels`,
      sql: `SELECT metric, label_group AS labels, group_value AS value, group_corrections AS corrections
      FROM (${valuesOf('label_group', daysOfProjects(from, source, projects))})
      ORDER BY metric, value DESC, labels LIMIT ${LABEL_SETS_MAX + 1} BY metric`,
      params: Params,
      row: LabelRow,
    }),
  )

/** The same with the groups behind the first ones as one group, which has no labels. */
const groupsAndRestOf = (projects: string, name: string) =>
  perSource((from, source) =>
    defineQuery({
      name: `${name}_usage_by_labels_with_rest`,
      sql: `SELECT metric, shown AS labels, group_value AS value, group_corrections AS corrections
      FROM (${valuesOf('shown', shownDays(daysOfProjects(from, source, projects)))})
      ORDER BY metric, value DESC, labels`,
      params: Params,
      row: LabelRow,
    }),
  )

/** The days of projects again, after all groups but the first ones have become one. */
function shownDays(days: string): string {
  return `
        SELECT metric, shown, project_id, usage_date,
          max(group_peak) AS project_peak, sum(group_total) AS project_total, sum(group_corrections) AS project_corrections
        FROM (
          SELECT metric, if(place <= ${LABEL_SETS_MAX}, label_group, []) AS shown, project_id, usage_date,
            project_peak AS group_peak, project_total AS group_total, project_corrections AS group_corrections
          FROM (
            SELECT *, dense_rank() OVER (PARTITION BY metric ORDER BY value_of_group DESC, label_group) AS place
            FROM (
              SELECT *, if(metric IN {peaks: Array(String)},
                max(peak_of_day) OVER (PARTITION BY metric, label_group), sum(project_total) OVER (PARTITION BY metric, label_group)) AS value_of_group
              FROM (SELECT *, sum(project_peak) OVER (PARTITION BY metric, label_group, usage_date) AS peak_of_day FROM (${days}))
            )
          )
        )
        GROUP BY metric, shown, project_id, usage_date`
}

const ofScope = (projects: string, name: string) => ({ groups: groupsOf(projects, name), groupsAndRest: groupsAndRestOf(projects, name) })

const BY_SCOPE = {
  project: ofScope('project_id = {projectId: String}', 'project'),
  partner: ofScope(`project_id IN (${PROJECTS_OF_PARTNER})`, 'partnership'),
}
