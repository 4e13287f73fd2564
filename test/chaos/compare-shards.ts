import type { StoredOnServers } from './stored.ts'

/**
 * Compares where rows are with where they must be: partition p is on server p modulo their number, and so are its projects. Returns a
 * description of each log that has rows on another one. That each row is there at all, and once, is compared elsewhere.
 */
export async function compareShards({ servers }: StoredOnServers): Promise<string[]> {
  const logs = await Promise.all(servers.map((server) => server.rows(LOGS)))
  return logs.flatMap((rows, index) =>
    rows.flatMap(([log = '', table]) =>
      Number(log.split('/').at(-1)) % servers.length === index ? [] : [`shards: server ${index + 1} of ${servers.length} has rows of ${log} in ${table}`],
    ),
  )
}

const LOGS = ['raw_usage_events_v1', 'usage_corrections_v1', 'rejected_events_v1', 'log_positions_v1', 'log_watermarks_v2']
  .map((table) => `SELECT DISTINCT log, '${table}' FROM ${table}`)
  .join(' UNION ALL ')
