import { z } from 'zod'
import { METRIC_KINDS, type MeasuredMetric } from '../../metering/metrics.ts'
import type { Month } from '../../metering/month.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { readUnlessWritten } from '../../sql/read-by-key.ts'

/** The header of a closed month. A month without a header is open. */
export interface StatementHeader {
  readonly month: Month
  /** Identifies the lines that make up the statement. */
  readonly closing: string
  readonly closedMs: number
  readonly closedBy: 'operator' | 'schedule'
  readonly asOfMs: number
  readonly lines: number
  readonly sha256: string
  /** For each closed month, this one included, the number of changes up to which it is billed. */
  readonly billedChanges: ReadonlyMap<Month, number>
  /** Projects created up to this time are in these bills, in ms since 1970. */
  readonly projectsThroughMs: number
  /** The catalogue of metrics at the time of the closing. */
  readonly metrics: readonly MeasuredMetric[]
}

/** The headers of a partner's closed months, ascending. Throws StoreError. */
export async function readStatementHeaders({ reads }: ClickHouse, partnerId: string): Promise<StatementHeader[]> {
  const rows = await readUnlessWritten(reads, statementHeaders, { partnerId })
  return rows.map(({ months, changes, ...header }) => ({
    ...header,
    billedChanges: new Map(months.map((month, index) => [month, changeAt(changes, index)])),
  }))
}

function changeAt(changes: readonly number[], index: number): number {
  const number = changes[index]
  if (number === undefined) throw new Error('A statement lists a month without its number of changes.')
  return number
}

const statementHeaders = defineQuery({
  name: 'statement_headers',
  sql: `SELECT month, closing, toUnixTimestamp64Milli(closed_at) AS closedMs, closed_by AS closedBy, toUnixTimestamp64Milli(as_of) AS asOfMs,
          lines, sha256, months, changes, toUnixTimestamp64Milli(projects_through) AS projectsThroughMs, metrics
        FROM statements_v1 WHERE partner_id = {partnerId: String} ORDER BY month`,
  params: z.object({ partnerId: z.string() }),
  row: z.object({
    month: z.string(),
    closing: z.string(),
    closedMs: z.coerce.number(),
    closedBy: z.enum(['operator', 'schedule']),
    asOfMs: z.coerce.number(),
    lines: z.coerce.number(),
    sha256: z.string(),
    months: z.array(z.string()),
    changes: z.array(z.coerce.number()),
    projectsThroughMs: z.coerce.number(),
    metrics: z.array(z.object({ metric: z.string(), kind: z.enum(METRIC_KINDS), unit: z.string() })),
  }),
})
