import { z } from 'zod'
import { AuditDifference, DIFFERENCES_MAX, type PartnershipDifference } from '../../contract/audits.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import type { RunBetweenBatches } from '../../sql/run-between-batches.ts'
import { shardsOf } from '../../sql/shards.ts'
import { comparePartnershipDays } from './audit-partnership-days.ts'
import { AUDIT_SETTINGS, AuditScopeParams, COMPARISONS, DAYS_IN_SCOPE, PROJECTS_IN_SCOPE } from './audit-scope.ts'
import { compareStates, restoreStates } from './audit-states.ts'
import { changesOfEvents } from './effective-values.ts'
import { requestRecomputation, requestRepairs } from './request-repairs.ts'

export interface AuditReport {
  readonly eventsRecounted: number
  readonly keysCompared: number
  /** Raw against the rollup and the states: must be empty. At most DIFFERENCES_MAX are listed. */
  readonly differences: readonly AuditDifference[]
  /** Raw against the materialized partnership days that readers use: must be empty, too. Not compared when the scope is one project. */
  readonly partnershipDifferences: readonly PartnershipDifference[]
  readonly truncated: boolean
}

export interface AuditScope {
  /** Days; `end` is exclusive. */
  readonly from: string
  readonly end: string
  /** Only these days of the span. */
  readonly days?: readonly string[] | undefined
  readonly projectId?: string | undefined
  /** Only the projects and the partnership days of this partner. */
  readonly partnerId?: string | undefined
}

/**
 * Recounts raw by the values that count after corrections and compares it with the rollup, by project, day, metric and labels (the rollup's peak
 * with the values as they were sent), with the states of the kinds `last` and `unique`, and with the materialized partnership days (P3). It
 * requests that the owners of the logs repair their rollup, and that the refresh recomputes partnership days. What states lack it adds itself.
 *
 * Events keep arriving meanwhile, so a batch may be in raw and not yet in the rollup. Therefore every difference is rechecked between
 * two batches, when nothing is in flight; where other processes write as well, it is rechecked several times, and only a real
 * difference remains. One month is compared at a time, which limits the memory.
 *
 * The auditors in this folder are independent: they write their own SQL for the value of a day and for its sum over projects, and share
 * none with the rollup, the refresh or the statements, because no audit would find a shared mistake. They share only the decision
 * on which materialized days readers use (usage/day-states.ts), because exactly these rows must be checked. Throws StoreError.
 */
export async function audit(clickhouse: ClickHouse, scope: AuditScope, runBetweenBatches: RunBetweenBatches): Promise<AuditReport> {
  const { from, end, days, projectId, partnerId } = scope
  const months = await readMonthsWithUsage(clickhouse, { from, end })
  let [eventsRecounted, keysCompared] = [0, 0]
  const differences: AuditDifference[] = []
  const stateDifferences: AuditDifference[] = []
  const partnershipDifferences: PartnershipDifference[] = []
  for (const month of months) {
    const params: AuditScopeParams = {
      ...month,
      days: [...(days ?? [])],
      projects: projectId === undefined ? [] : [projectId],
      partners: partnerId === undefined ? [] : [partnerId],
    }
    const first = await queryOne(clickhouse.reads, rollupAgainstRaw, params)
    eventsRecounted += first.events
    keysCompared += first.keys
    const recheckRollup = (suspects: readonly AuditDifference[]) =>
      runBetweenBatches(() => findRollupDifferences(clickhouse, { ...params, projects: distinct(suspects.map((suspect) => suspect.project_id)) }))
    differences.push(...(await confirm(first.differences, keyOfProjectDay, recheckRollup)))
    const recheckStates = (suspects: readonly AuditDifference[]) =>
      runBetweenBatches(() => compareStates(clickhouse, { ...params, projects: distinct(suspects.map((suspect) => suspect.project_id)) }))
    stateDifferences.push(...(await confirm(await compareStates(clickhouse, params), keyOfProjectDay, recheckStates)))
    if (projectId !== undefined) continue
    const suspected = await comparePartnershipDays(clickhouse, params)
    const recheckDays = (suspects: readonly PartnershipDifference[]) =>
      runBetweenBatches(() => comparePartnershipDays(clickhouse, { ...params, partners: distinct(suspects.map((suspect) => suspect.partner_id)) }))
    partnershipDifferences.push(...(await confirm(suspected, keyOfPartnershipDay, recheckDays)))
  }
  await requestRepairs(clickhouse, differences)
  await restoreStates(clickhouse, stateDifferences)
  differences.push(...stateDifferences)
  await requestRecomputation(clickhouse, distinct(partnershipDifferences.map(({ usage_date }) => usage_date)))
  return {
    eventsRecounted,
    keysCompared,
    differences: differences.slice(0, DIFFERENCES_MAX),
    partnershipDifferences: partnershipDifferences.slice(0, DIFFERENCES_MAX),
    truncated: differences.length > DIFFERENCES_MAX || partnershipDifferences.length > DIFFERENCES_MAX,
  }
}

/** Keeps the differences that every comparison finds. */
async function confirm<T>(
  suspected: readonly T[],
  keyOf: (each: T) => string,
  recheck: (suspects: readonly T[]) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  let suspects = suspected
  for (let comparisons = 1; suspects.length > 0 && comparisons < COMPARISONS; comparisons += 1) {
    const before = new Set(suspects.map(keyOf))
    suspects = (await recheck(suspects)).filter((each) => before.has(keyOf(each)))
  }
  return suspects
}

function keyOfProjectDay({ project_id, usage_date, metric, labels }: AuditDifference): string {
  return JSON.stringify([project_id, usage_date, metric, labels])
}

function keyOfPartnershipDay({ partner_id, usage_date, metric }: PartnershipDifference): string {
  return JSON.stringify([partner_id, usage_date, metric])
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)]
}

async function findRollupDifferences(clickhouse: ClickHouse, params: AuditScopeParams): Promise<AuditDifference[]> {
  return (await queryOne(clickhouse.reads, rollupAgainstRaw, params)).differences
}

/** Of all shards, each month once, in order. */
async function readMonthsWithUsage(clickhouse: ClickHouse, span: { readonly from: string; readonly end: string }) {
  const ofShards = await Promise.all(shardsOf(clickhouse).map(({ reads }) => reads.query(monthsWithUsage, span)))
  const months = new Map(ofShards.flat().map((month) => [month.from, month]))
  return [...months.values()].sort((one, other) => (one.from < other.from ? -1 : 1))
}

/**
 * The months of raw and of the rollup are read from the list of their parts, without reading rows. The months of changed days are added, because
 * materialized partnership days of a month without any usage are differences as well.
 */
const monthsWithUsage = defineQuery({
  name: 'months_with_usage',
  sql: `
    SELECT
      greatest(month, {from: Date}) AS from,
      least(addMonths(month, 1), {end: Date}) AS end
    FROM (
      SELECT toDate(concat(substring(partition, 1, 4), '-', substring(partition, 5, 2), '-01')) AS month
      FROM system.parts
      WHERE active AND database = currentDatabase() AND table IN ('raw_usage_events_v1', 'project_usage_per_day_v1')
      UNION DISTINCT
      SELECT toStartOfMonth(usage_date) FROM usage_day_changes_v1
    )
    WHERE from < end
    ORDER BY from`,
  params: z.object({ from: z.string(), end: z.string() }),
  row: z.object({ from: z.string(), end: z.string() }),
})

const rollupAgainstRaw = defineQuery({
  name: 'rollup_against_raw',
  sql: `
    SELECT
      sum(raw_events) AS events,
      countIf(raw_events > 0) AS keys,
      arraySort(each -> (each.usage_date, each.project_id, each.metric, each.labels), groupArrayIf(${DIFFERENCES_MAX + 1})(
        CAST((project_id, usage_date, metric, labels, raw_events, rollup_events, raw_total, rollup_total, raw_peak, rollup_peak,
            raw_corrections, rollup_corrections, raw_voided, rollup_voided),
          'Tuple(project_id String, usage_date Date, metric String, labels String, raw_events Int64, rollup_events Int64, raw_total Decimal(76, 9), rollup_total Decimal(76, 9), raw_peak Decimal(38, 9), rollup_peak Decimal(38, 9), raw_corrections Int64, rollup_corrections Int64, raw_voided Int64, rollup_voided Int64)'),
        raw_events != rollup_events OR raw_total != rollup_total OR raw_peak != rollup_peak
          OR raw_corrections != rollup_corrections OR raw_voided != rollup_voided)) AS differences
    FROM (
      SELECT
        project_id, usage_date, metric, labels,
        sum(events_raw) AS raw_events, sum(events_rollup) AS rollup_events,
        sum(total_raw) AS raw_total, sum(total_rollup) AS rollup_total,
        max(peak_raw) AS raw_peak, max(peak_rollup) AS rollup_peak,
        sum(corrections_raw) AS raw_corrections, sum(corrections_rollup) AS rollup_corrections,
        sum(voided_raw) AS raw_voided, sum(voided_rollup) AS rollup_voided
      FROM (
        SELECT project_id, usage_date, metric, labels,
          toInt64(count()) AS events_raw, sumIf(toDecimal256(value, 9), correction_batch = '') AS total_raw, maxIf(value, correction_batch = '') AS peak_raw,
          toInt64(countIf(correction_batch != '')) AS corrections_raw, toInt64(countIf(correction_batch != '')) AS voided_raw,
          toInt64(0) AS events_rollup, toDecimal256(0, 9) AS total_rollup, toDecimal128(0, 9) AS peak_rollup,
          toInt64(0) AS corrections_rollup, toInt64(0) AS voided_rollup
        FROM raw_usage_events_v1 FINAL
        WHERE ${DAYS_IN_SCOPE} AND ${PROJECTS_IN_SCOPE}
        GROUP BY project_id, usage_date, metric, labels
        UNION ALL
        SELECT project_id, usage_date, metric, labels,
          toInt64(0), sum(added_total), toDecimal128(0, 9), toInt64(0), sum(voided),
          toInt64(0), toDecimal256(0, 9), toDecimal128(0, 9), toInt64(0), toInt64(0)
        FROM (${changesOfEvents(`${DAYS_IN_SCOPE} AND ${PROJECTS_IN_SCOPE}`)})
        GROUP BY project_id, usage_date, metric, labels
        UNION ALL
        SELECT project_id, usage_date, metric, labels,
          toInt64(0), toDecimal256(0, 9), toDecimal128(0, 9), toInt64(count()), toInt64(0),
          toInt64(0), toDecimal256(0, 9), toDecimal128(0, 9), toInt64(0), toInt64(0)
        FROM usage_corrections_v1 FINAL
        WHERE ${DAYS_IN_SCOPE} AND ${PROJECTS_IN_SCOPE}
        GROUP BY project_id, usage_date, metric, labels
        UNION ALL
        SELECT project_id, usage_date, metric, labels,
          toInt64(0), toDecimal256(0, 9), toDecimal128(0, 9), toInt64(0), toInt64(0),
          sum(events), sum(total), max(peak), sum(corrections), sum(voided)
        FROM project_usage_per_day_v1
        WHERE ${DAYS_IN_SCOPE} AND ${PROJECTS_IN_SCOPE}
        GROUP BY project_id, usage_date, metric, labels
      )
      GROUP BY project_id, usage_date, metric, labels
    )`,
  params: AuditScopeParams,
  row: z.object({ events: z.coerce.number(), keys: z.coerce.number(), differences: z.array(AuditDifference) }),
  settings: AUDIT_SETTINGS,
})
