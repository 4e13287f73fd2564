import type { Settings } from '../../sql/session.ts'
import type { ValueFormat } from '../statements/canonical-lines.ts'

/**
 * Readers of Parquet support decimals of at most 38 digits. An export with a longer value is rejected before the file begins
 * (export-totals.ts); a value is never truncated.
 */
export const PARQUET_VALUES: ValueFormat = {
  text: (sql) => sql,
  decimal: (sql) => `toDecimal128(${sql}, 9)`,
  // The store's Date type would become a plain number in Parquet.
  day: (sql) => `toDate32(${sql})`,
  time: (sql) => `toDateTime64(${sql}, 3, 'UTC')`,
}

/** The smallest number that does not fit Decimal(38, 9). */
export const PARQUET_DECIMAL_END = '100000000000000000000000000000'

/** Row groups are small, because the engine keeps one in memory while it writes it. */
export const PARQUET_SETTINGS: Settings = {
  output_format_parquet_row_group_size: 32_768,
  output_format_parquet_row_group_size_bytes: 8 * 1024 ** 2,
  max_threads: 1,
  max_block_size: 16_384,
  output_format_parquet_compression_method: 'zstd',
  output_format_parquet_string_as_string: 1,
  output_format_parquet_parallel_encoding: 0,
}
