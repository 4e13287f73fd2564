import { openClickHouse } from '../sql/clickhouse.ts'
import { migrate } from '../sql/migrate.ts'
import { forkedTask, sendResult } from './forked-task.ts'
import { switchOffFsync } from './without-fsync.ts'

export interface WithoutFsyncTask {
  readonly directory: string
}

/** Run as a process before a service starts on the directory. */
const clickhouse = await openClickHouse({ engine: 'embedded', directory: forkedTask<WithoutFsyncTask>().directory })
await migrate(clickhouse)
await switchOffFsync(clickhouse)
await clickhouse.close()
sendResult({})
