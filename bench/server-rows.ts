/**
 * The rows of a query at a ClickHouse server, without the product's own client. The URL is as in CLICKHOUSE_URL; its path is the database. While
 * the database does not exist there are no rows. Throws if the server answers with another error.
 */
export async function readRows(url: string, sql: string): Promise<string[][]> {
  const text = await run(url, `${sql}\nFORMAT TabSeparated`)
  return text.split('\n').flatMap((line) => (line === '' ? [] : [line.split('\t')]))
}

/** Runs a statement that returns nothing. */
export async function runStatement(url: string, sql: string): Promise<void> {
  await run(url, sql)
}

async function run(url: string, body: string): Promise<string> {
  const { origin, pathname } = new URL(url)
  const response = await fetch(new URL(`/?database=${pathname.slice(1)}`, origin), { method: 'POST', body })
  const text = await response.text()
  if (response.ok) return text
  if (response.headers.get('x-clickhouse-exception-code') === UNKNOWN_DATABASE) return ''
  throw new Error(`ClickHouse answered ${response.status}: ${text.slice(0, 500)}`)
}

const UNKNOWN_DATABASE = '81'
