import { DuckDBInstance } from '@duckdb/node-api'

/** Runs a query in DuckDB, which shares no code with the writer of the file. Every cell is returned as text, or null. */
export async function queryDuckDb(sql: string): Promise<Record<string, string | null>[]> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    const reader = await connection.runAndReadAll(sql)
    return reader.getRowObjects().map((row) => Object.fromEntries(Object.entries(row).map(([name, cell]) => [name, cell === null ? null : String(cell)])))
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}
