import { z } from 'zod'
import { CachedCompleteness } from '../aggregator/usage/completeness.ts'
import { readPartnershipUsage } from '../aggregator/usage/partnership-usage.ts'
import { refreshPartnershipDays } from '../aggregator/usage/refresh-partnership-days.ts'
import { CUMULATIVE_METRICS, PEAK_METRICS } from '../metering/metrics.ts'
import type { Period } from '../metering/period.ts'
import { readConfig } from '../service/config.ts'
import { openStore } from '../service/open-store.ts'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { defineQuery } from '../sql/query.ts'
import { forkedTask, sendResult } from './forked-task.ts'

export interface CachedVsComputedTask {
  readonly dataDir: string
  readonly largeId: string
  readonly smallId: string
  readonly period: Period
}

/** Milliseconds of each answer, and whether both ways returned the same numbers. */
export interface CachedVsComputed {
  readonly firstRefreshMs: number
  /** Computed from the rollup of all projects. */
  readonly computed: readonly number[]
  /** Read from materialized days. */
  readonly cached: readonly number[]
  readonly cachedSmall: readonly number[]
  readonly same: boolean
  /** How long it takes to materialize the last day of `period` after it has changed. */
  readonly refreshMs: readonly number[]
  /** The large partner's answer while that day has changed and is not materialized yet. */
  readonly changedDay: readonly number[]
}

const ROUNDS = 5
const CACHED_PER_ROUND = 40
const CHANGES = 10

/** Runs both ways alternately in one process, without HTTP. */
async function measure({ dataDir, largeId, smallId, period }: CachedVsComputedTask): Promise<CachedVsComputed> {
  const clickhouse = await openStore(readConfig({ DATA_DIR: dataDir }), { logger: { warn: (details, message) => console.error(message, details) } })
  try {
    const firstRefreshMs = await timed(() => refreshPartnershipDays(clickhouse))
    const completeness = new CachedCompleteness(clickhouse)
    const [computed, cached, cachedSmall]: number[][] = [[], [], []]
    let same = true
    for (let round = 0; round < ROUNDS; round += 1) {
      let total = ''
      computed?.push(
        await timed(async () => {
          total = await computeTokens(clickhouse, largeId, period)
        }),
      )
      for (let request = 0; request < CACHED_PER_ROUND; request += 1) {
        cached?.push(
          await timed(async () => {
            same = (await readPartnershipUsage(clickhouse, largeId, period, await completeness.read())).summary.ai_tokens === total && same
          }),
        )
        cachedSmall?.push(await timed(async () => readPartnershipUsage(clickhouse, smallId, period, await completeness.read())))
      }
    }
    const [refreshMs, changedDay]: number[][] = [[], []]
    for (let change = 0; change < CHANGES; change += 1) {
      await clickhouse.ingest.insert({ table: 'usage_day_changes_v1', columns: ['usage_date', 'changes'], text: `${period.last}\t1\n` })
      changedDay?.push(await timed(async () => readPartnershipUsage(clickhouse, largeId, period, await completeness.read())))
      refreshMs?.push(await timed(() => refreshPartnershipDays(clickhouse)))
    }
    return {
      ...{ firstRefreshMs, same, computed: computed ?? [], cached: cached ?? [], cachedSmall: cachedSmall ?? [] },
      ...{ refreshMs: refreshMs ?? [], changedDay: changedDay ?? [] },
    }
  } finally {
    await clickhouse.close()
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

async function computeTokens({ reads }: ClickHouse, partnerId: string, { first: from, end }: Period): Promise<string> {
  const rows = await reads.query(computedPartnershipUsage, { partnerId, from, end, peaks: PEAK_METRICS, cumulatives: CUMULATIVE_METRICS })
  const tokens = rows.find(({ metric }) => metric === 'ai_tokens')
  if (tokens === undefined) throw new Error('The plain computation returned no ai_tokens.')
  return tokens.total
}

/** The query that answered partnership usage before days were materialized: a pass over the rollup of all projects. */
const computedPartnershipUsage = defineQuery({
  name: 'computed_partnership_usage',
  sql: `
    WITH partner_projects AS (SELECT project_id FROM projects_v1 FINAL WHERE partner_id = {partnerId: String})
    SELECT metric, max(day_peak) AS peak, toDecimal256(0, 9) AS total
    FROM (
      SELECT usage_date, metric, sum(toDecimal256(project_peak, 9)) AS day_peak
      FROM (
        SELECT project_id, usage_date, metric, max(peak) AS project_peak
        FROM project_usage_per_day_v1
        WHERE project_id IN partner_projects AND usage_date >= {from: Date} AND usage_date < {end: Date} AND metric IN {peaks: Array(String)}
        GROUP BY project_id, usage_date, metric
      )
      GROUP BY usage_date, metric
    )
    GROUP BY metric
    UNION ALL
    SELECT metric, toDecimal256(0, 9) AS peak, sum(total) AS total
    FROM project_usage_per_day_v1
    WHERE project_id IN partner_projects AND usage_date >= {from: Date} AND usage_date < {end: Date} AND metric IN {cumulatives: Array(String)}
    GROUP BY metric`,
  params: z.object({ partnerId: z.string(), from: z.string(), end: z.string(), peaks: z.array(z.string()), cumulatives: z.array(z.string()) }),
  row: z.object({ metric: z.string(), peak: z.string(), total: z.string() }),
})

// At the end of the file: the query above must be initialized first.
if (process.send !== undefined) sendResult(await measure(forkedTask<CachedVsComputedTask>()))
