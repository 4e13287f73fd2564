import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readParquetTotals } from '../aggregator/exports/parquet-totals.ts'
import { openClickHouse } from '../sql/clickhouse.ts'

/**
 * Reads the totals of an exported Parquet file with the embedded engine, in a temporary directory: a reader in JavaScript would
 * round decimals of 38 digits. Throws StoreError.
 */
export async function countParquet(file: string, rowsAre: 'lines' | 'charges') {
  const directory = await mkdtemp(join(tmpdir(), 'meterline-verify-'))
  try {
    const clickhouse = await openClickHouse({ engine: 'embedded', directory })
    try {
      return await readParquetTotals(clickhouse.reads, file, rowsAre)
    } finally {
      await clickhouse.close()
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
