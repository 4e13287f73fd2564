import { z } from 'zod'
import { AuditDifference, DIFFERENCES_MAX, type PartnershipDifference } from '../../contract/audits.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import type { RunBetweenBatches } from '../../sql/run-between-batches.ts'
import { comparePartnershipDays } from './audit-partnership-days.ts'
import { AUDIT_SETTINGS, AuditScopeParams, DAYS_IN_SCOPE, LOOKS, PROJECTS_IN_SCOPE } from './audit-scope.ts'
import { requestRecomputation, requestRepairs } from './request-repairs.ts'

export interface AuditReport {
  readonly eventsRecounted: number
  readonly keysCompared: number
  /** Raw against rollup. Empty is the only good answer. At most DIFFERENCES_MAX are listed. */
  readonly differences: readonly AuditDifference[]
  /** Raw against the kept partnership days that readers use. Empty is the only good answer, too. Nothing is compared for one project. */
  readonly partnershipDifferences: readonly PartnershipDifference[]
  readonly truncated: boolean
}

export interface AuditScope {
  /** Days; `end` is exclusive. */
  readonly from: string
  readonly end: string
  /** Of these only some. */
  readonly days?: readonly string[] | undefined
  readonly projectId?: string | undefined
  /** Only this partner's projects and its partnership days. */
  readonly partnerId?: string | undefined
}

/**
 * Recounts raw and compares it with the rollup, per project, day and metric, and with the kept partnership days (P3). It
 * changes nothing itself: it asks the owners of the logs to repair their rollup, and the aggregator to compute a partnership
 * day anew. Events go on arriving meanwhile, and a batch may be in raw and not yet in the rollup; so what differs at first
 * is compared again between two batches, when nothing is in flight, or, where other processes write, until a look finds no
 * difference: a real one stays. One month at a time, which bounds what is held. Throws StoreError.
 */
export async function audit(clickhouse: ClickHouse, scope: AuditScope, runBetweenBatches: RunBetweenBatches): Promise<AuditReport> {
  const { from, end, days, projectId, partnerId } = scope
  const months = await clickhouse.reads.query(monthsWithUsage, { from, end })
  let [eventsRecounted, keysCompared] = [0, 0]
  const differences: AuditDifference[] = []
  const partnershipDifferences: PartnershipDifference[] = []
  for (const month of months) {
    const params: AuditScopeParams = {
      ...month,
      days: [...(days ?? [])],
      projects: projectId === undefined ? [] : [projectId],
      partners: partnerId === undefined ? [] : [partnerId],
    }
    const first = await lookAtRollup(clickhouse, params)
    eventsRecounted += first.events
    keysCompared += first.keys
    differences.push(
      ...(await confirm(first.differences, keyOfProjectDay, (projects) => runBetweenBatches(() => lookAgainAtRollup(clickhouse, params, projects)))),
    )
    if (projectId !== undefined) continue
    const suspected = await comparePartnershipDays(clickhouse, params)
    const again = (suspects: readonly PartnershipDifference[]) =>
      runBetweenBatches(() => comparePartnershipDays(clickhouse, { ...params, partners: distinct(suspects.map((suspect) => suspect.partner_id)) }))
    partnershipDifferences.push(...(await confirm(suspected, keyOfPartnershipDay, again)))
  }
  await requestRepairs(clickhouse, differences.slice(0, DIFFERENCES_MAX))
  await requestRecomputation(clickhouse, distinct(partnershipDifferences.map(({ usage_date }) => usage_date)))
  return {
    eventsRecounted,
    keysCompared,
    differences: differences.slice(0, DIFFERENCES_MAX),
    partnershipDifferences: partnershipDifferences.slice(0, DIFFERENCES_MAX),
    truncated: differences.length > DIFFERENCES_MAX || partnershipDifferences.length > DIFFERENCES_MAX,
  }
}

/** What differs in every look. */
async function confirm<T>(
  suspected: readonly T[],
  keyOf: (each: T) => string,
  again: (suspects: readonly T[]) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  let suspects = suspected
  for (let looks = 1; suspects.length > 0 && looks < LOOKS; looks += 1) {
    const before = new Set(suspects.map(keyOf))
    suspects = (await again(suspects)).filter((each) => before.has(keyOf(each)))
  }
  return suspects
}

function keyOfProjectDay({ project_id, usage_date, metric }: AuditDifference): string {
  return JSON.stringify([project_id, usage_date, metric])
}

function keyOfPartnershipDay({ partner_id, usage_date, metric }: PartnershipDifference): string {
  return JSON.stringify([partner_id, usage_date, metric])
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)]
}

async function lookAgainAtRollup(clickhouse: ClickHouse, params: AuditScopeParams, suspects: readonly AuditDifference[]): Promise<AuditDifference[]> {
  const projects = distinct(suspects.map((suspect) => suspect.project_id))
  return (await lookAtRollup(clickhouse, { ...params, projects })).differences
}

async function lookAtRollup(clickhouse: ClickHouse, params: AuditScopeParams) {
  const look = await queryOne(clickhouse.reads, rollupAgainstRaw, params)
  return look
}

/** The parts tell it without reading a row. Kept partnership days of a month that has neither are differences as well. */
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
      arraySort(each -> (each.usage_date, each.project_id, each.metric), groupArrayIf(${DIFFERENCES_MAX + 1})(
        CAST((project_id, usage_date, metric, raw_events, rollup_events, raw_total, rollup_total, raw_peak, rollup_peak),
          'Tuple(project_id String, usage_date Date, metric String, raw_events Int64, rollup_events Int64, raw_total Decimal(76, 9), rollup_total Decimal(76, 9), raw_peak Decimal(38, 9), rollup_peak Decimal(38, 9))'),
        raw_events != rollup_events OR raw_total != rollup_total OR raw_peak != rollup_peak)) AS differences
    FROM (
      SELECT
        project_id, usage_date, metric,
        sum(events_raw) AS raw_events, sum(events_rollup) AS rollup_events,
        sum(total_raw) AS raw_total, sum(total_rollup) AS rollup_total,
        max(peak_raw) AS raw_peak, max(peak_rollup) AS rollup_peak
      FROM (
        SELECT project_id, usage_date, metric,
          toInt64(count()) AS events_raw, sum(toDecimal256(value, 9)) AS total_raw, max(value) AS peak_raw,
          toInt64(0) AS events_rollup, toDecimal256(0, 9) AS total_rollup, toDecimal128(0, 9) AS peak_rollup
        FROM raw_usage_events_v1 FINAL
        WHERE ${DAYS_IN_SCOPE} AND ${PROJECTS_IN_SCOPE}
        GROUP BY project_id, usage_date, metric
        UNION ALL
        SELECT project_id, usage_date, metric,
          toInt64(0), toDecimal256(0, 9), toDecimal128(0, 9),
          sum(events), sum(total), max(peak)
        FROM project_usage_per_day_v1
        WHERE ${DAYS_IN_SCOPE} AND ${PROJECTS_IN_SCOPE}
        GROUP BY project_id, usage_date, metric
      )
      GROUP BY project_id, usage_date, metric
    )`,
  params: AuditScopeParams,
  row: z.object({ events: z.coerce.number(), keys: z.coerce.number(), differences: z.array(AuditDifference) }),
  settings: AUDIT_SETTINGS,
})
