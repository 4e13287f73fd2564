/**
 * One connection to ClickHouse, embedded or server. In the embedded engine, the statements of one session run one after another,
 * and several sessions run in parallel. Every promise rejects with the vendor's error; sql/clickhouse.ts classifies it.
 */
export interface Session {
  /** Runs a query and returns its whole result as text. */
  run(sql: string, timeoutMs: number): Promise<string>
  /** Runs a statement that writes rows computed by ClickHouse. It runs once; after an error it is unknown whether they are stored. */
  write(sql: string, timeoutMs: number): Promise<void>
  /** Runs a statement that returns nothing and may be run twice, such as DDL or KILL. */
  command(sql: string, timeoutMs: number): Promise<void>
  /** Sends rows once, as TabSeparated text. After an error it is unknown whether they are stored. */
  insert(rows: InsertRows, timeoutMs: number): Promise<void>
  /** Runs a query and yields its result in `format`, in chunks; a chunk may end inside a line. */
  stream(sql: string, format: StreamFormat): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

/** Rows as lines or bytes, or one Parquet file. Formats with a header are excluded, because the embedded engine would repeat it. */
export type StreamFormat = 'TabSeparated' | 'CSV' | 'JSONEachRow' | 'RowBinary' | 'Parquet'

export interface InsertRows {
  readonly table: string
  readonly columns: readonly string[]
  readonly settings: Settings
  readonly text: Buffer
}

/** Settings are part of the SQL text. Set on a client, they would apply to every later statement of the embedded engine. */
export type Settings = Readonly<Record<string, string | number>>

export function settingsClause(settings: Settings): string {
  const assigned = assignments(settings)
  return assigned === '' ? '' : ` SETTINGS ${assigned}`
}

export function assignments(settings: Settings): string {
  const quoted = (value: string | number) => (typeof value === 'number' ? value : `'${value.replaceAll("'", "''")}'`)
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${quoted(value)}`)
    .join(', ')
}
