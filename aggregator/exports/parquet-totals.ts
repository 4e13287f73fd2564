import { z } from 'zod'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'

/** Adds up the rows of a Parquet file by kind of line and metric, to the last digit. Throws StoreError. */
export function readParquetTotals(lane: Lane, path: string, rowKind: 'lines' | 'charges') {
  return lane.query(rowKind === 'lines' ? parquetLineTotals : parquetChargeTotals, { path })
}

const PathParams = z.object({ path: z.string() })
const TotalRow = z.object({ line: z.string(), metric: z.string(), rows: z.coerce.number(), value: z.string() })

const parquetLineTotals = defineQuery({
  name: 'parquet_line_totals',
  sql: `SELECT assumeNotNull(line) AS line, assumeNotNull(metric) AS metric, count() AS rows, sum(toDecimal256(assumeNotNull(stored.value), 9)) AS value
        FROM file({path: String}, Parquet) AS stored GROUP BY line, metric`,
  params: PathParams,
  row: TotalRow,
  settings: { max_execution_time: 3600 },
})

const parquetChargeTotals = defineQuery({
  name: 'parquet_charge_totals',
  sql: `SELECT assumeNotNull(x_Line) AS line, assumeNotNull(SkuMeter) AS metric, count() AS rows, sum(toDecimal256(assumeNotNull(ConsumedQuantity), 9)) AS value
        FROM file({path: String}, Parquet) AS stored GROUP BY line, metric`,
  params: PathParams,
  row: TotalRow,
  settings: { max_execution_time: 3600 },
})
