import { z } from 'zod'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { defineQuery } from '../sql/query.ts'

/** One (project, day, metric) on which raw and rollup do not agree. Quantities are exact decimals. */
export const AuditDifference = z.object({
  project_id: z.string(),
  usage_date: z.string(),
  metric: z.string(),
  raw_events: z.string(),
  rollup_events: z.string(),
  raw_total: z.string(),
  rollup_total: z.string(),
  raw_peak: z.string(),
  rollup_peak: z.string(),
})
export type AuditDifference = z.output<typeof AuditDifference>

export interface AuditReport {
  readonly eventsRecounted: number
  readonly keysCompared: number
  /** Empty is the only good answer. At most DIFFERENCES_MAX are listed. */
  readonly differences: readonly AuditDifference[]
  readonly truncated: boolean
}

export interface AuditScope {
  /** Days; `end` is exclusive. */
  readonly from: string
  readonly end: string
  readonly projectId?: string | undefined
}

export const DIFFERENCES_MAX = 1_000

/**
 * Recounts raw and compares it with the rollup, per project, day and metric (P3). It reports and repairs nothing.
 * Events go on arriving meanwhile, and a batch may be in raw and not yet in the rollup; so what differs at first is
 * compared once more between two batches, when nothing is in flight, or, where other processes write, until a look finds
 * no difference: a real one stays. Throws StoreError.
 */
export async function audit(clickhouse: ClickHouse, scope: AuditScope, betweenBatches: <T>(work: () => Promise<T>) => Promise<T>): Promise<AuditReport> {
  const params = { from: scope.from, end: scope.end, projects: scope.projectId === undefined ? [] : [scope.projectId], keysMax: DIFFERENCES_MAX + 1 }
  const [counted] = await clickhouse.reads.query(auditExtent, params)
  if (counted === undefined) throw new Error('count() answered no row.')
  let differences = await clickhouse.reads.query(auditDifferences, params)
  for (let looks = 1; differences.length > 0 && looks < LOOKS; looks += 1) {
    const suspected = { ...params, projects: [...new Set(differences.map((suspect) => suspect.project_id))] }
    const before = new Set(differences.map(keyOf))
    const found = await betweenBatches(() => clickhouse.reads.query(auditDifferences, suspected))
    differences = found.filter((difference) => before.has(keyOf(difference)))
  }
  return {
    eventsRecounted: counted.events,
    keysCompared: counted.keys,
    differences: differences.slice(0, DIFFERENCES_MAX),
    truncated: differences.length > DIFFERENCES_MAX,
  }
}

/** A key that differs in each of so many looks, one behind the other, is no batch on its way. */
const LOOKS = 5

function keyOf({ project_id, usage_date, metric }: AuditDifference): string {
  return JSON.stringify([project_id, usage_date, metric])
}

const AuditParams = z.object({ from: z.string(), end: z.string(), projects: z.array(z.string()), keysMax: z.number() })

const IN_SCOPE = `usage_date >= {from: Date} AND usage_date < {end: Date}
          AND (empty({projects: Array(String)}) OR project_id IN {projects: Array(String)})`
const AUDIT_SETTINGS = { max_execution_time: 3600 }

const auditExtent = defineQuery({
  name: 'audit_extent',
  sql: `SELECT count() AS events, uniqExact(project_id, usage_date, metric) AS keys FROM raw_usage_events_v1 FINAL WHERE ${IN_SCOPE}`,
  params: AuditParams,
  row: z.object({ events: z.coerce.number(), keys: z.coerce.number() }),
  settings: AUDIT_SETTINGS,
})

const auditDifferences = defineQuery({
  name: 'audit_differences',
  sql: `
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
      WHERE ${IN_SCOPE}
      GROUP BY project_id, usage_date, metric
      UNION ALL
      SELECT project_id, usage_date, metric,
        toInt64(0), toDecimal256(0, 9), toDecimal128(0, 9),
        sum(events), sum(total), max(peak)
      FROM project_usage_per_day_v1
      WHERE ${IN_SCOPE}
      GROUP BY project_id, usage_date, metric
    )
    GROUP BY project_id, usage_date, metric
    HAVING raw_events != rollup_events OR raw_total != rollup_total OR raw_peak != rollup_peak
    ORDER BY usage_date, project_id, metric
    LIMIT {keysMax: UInt64}`,
  params: AuditParams,
  row: AuditDifference,
  settings: AUDIT_SETTINGS,
})
