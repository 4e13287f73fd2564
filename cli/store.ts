import { join } from 'node:path'
import { type ClickHouse, openClickHouse } from '../sql/clickhouse.ts'
import type { Config } from './config.ts'

/** The ClickHouse that the configuration names: a server, or the engine in this process. */
export function openStore(config: Config): Promise<ClickHouse> {
  if (config.CLICKHOUSE_URL !== undefined) return openClickHouse({ engine: 'server', url: config.CLICKHOUSE_URL })
  return openClickHouse({ engine: 'embedded', directory: join(config.DATA_DIR, 'clickhouse') })
}
