/**
 * One connection to ClickHouse, embedded or server. Statements of one session run one after another in the embedded
 * engine; sessions run beside each other. Every promise rejects with what the vendor threw: clickhouse.ts classifies it.
 */
export interface Session {
  /** Runs a statement and returns its whole answer as text. */
  run(sql: string, timeoutMs: number): Promise<string>
  /** Sends rows once, in TabSeparated text. Whoever gets an error does not know whether they landed. */
  insert(rows: InsertRows, timeoutMs: number): Promise<void>
  /** Runs a query and yields its answer in that format piece by piece; pieces may end inside a line. */
  stream(sql: string, format: StreamFormat): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

/** Rows as lines, or one Parquet file. Formats with a head are not among them: the embedded engine would repeat it. */
export type StreamFormat = 'TabSeparated' | 'CSV' | 'JSONEachRow' | 'Parquet'

export interface InsertRows {
  readonly table: string
  readonly columns: readonly string[]
  readonly settings: Settings
  readonly text: Buffer
}

/** Settings stand in the SQL text: set on a client they would leak into every later statement of the embedded engine. */
export type Settings = Readonly<Record<string, string | number>>

export function settingsClause(settings: Settings): string {
  const entries = Object.entries(settings)
  if (entries.length === 0) return ''
  return ` SETTINGS ${entries.map(([name, value]) => `${name} = ${typeof value === 'number' ? value : `'${value.replaceAll("'", "''")}'`}`).join(', ')}`
}
