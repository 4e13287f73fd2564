import type { Settings } from '../../sql/session.ts'
import type { Wording } from '../statements/canonical-lines.ts'

/**
 * Parquet's decimals have at most 38 digits in all that read them. What has more is refused before the file begins
 * (export-totals.ts), never cut.
 */
export const PARQUET_WORDING: Wording = {
  text: (sql) => sql,
  decimal: (sql) => `toDecimal128(${sql}, 9)`,
  // The store's own Date would be a plain number in Parquet.
  day: (sql) => `toDate32(${sql})`,
  time: (sql) => `toDateTime64(${sql}, 3, 'UTC')`,
}

/** The first number that Decimal(38, 9) does not hold. */
export const PARQUET_DECIMAL_END = '100000000000000000000000000000'

/** Small row groups: the engine holds one in memory while it is written. */
export const PARQUET_SETTINGS: Settings = {
  output_format_parquet_row_group_size: 32_768,
  output_format_parquet_row_group_size_bytes: 8 * 1024 ** 2,
  max_threads: 1,
  max_block_size: 16_384,
  output_format_parquet_compression_method: 'zstd',
  output_format_parquet_string_as_string: 1,
  output_format_parquet_parallel_encoding: 0,
}
