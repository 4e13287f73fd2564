import { z } from 'zod'
import { type ClickHouse, openClickHouse } from '../sql/clickhouse.ts'
import { migrate } from '../sql/migrate.ts'
import { defineQuery } from '../sql/query.ts'
import { forkedTask, sendResult } from './forked-task.ts'
import { switchOffFsync } from './without-fsync.ts'

export interface KafkaEngineTask {
  readonly directory: string
  readonly brokers: readonly string[]
  readonly topic: string
  readonly group: string
  readonly partitions: number
  readonly events: number
  readonly fsync: boolean
}

export interface KafkaEngineResult {
  /** From the first partition assigned until raw and rollup hold all events. */
  readonly seconds: number
  readonly cpuSeconds: number
  readonly rssBytes: number
}

/** As many rows as Meterline writes in one batch. */
const BLOCK_ROWS = 25_000
const POLL_MS = 50

async function consume({ control, reads }: ClickHouse, task: KafkaEngineTask): Promise<KafkaEngineResult> {
  await control.command(createQueue(task))
  const cpuBefore = process.cpuUsage()
  await control.command(VIEW)
  await until(async () => Number((await reads.query(assignedPartitions, {}))[0]?.partitions) > 0)
  const startedMs = performance.now()
  let rssBytes = 0
  await until(async () => {
    rssBytes = Math.max(rssBytes, process.memoryUsage.rss())
    return Number((await reads.query(rawRows, {}))[0]?.events) >= task.events
  })
  await until(async () => Number((await reads.query(rollupEvents, {}))[0]?.events) >= task.events)
  const seconds = (performance.now() - startedMs) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  await control.command('DROP VIEW bench_queue_mv')
  await control.command('DROP TABLE bench_queue')
  return { seconds, cpuSeconds: (user + system) / 1e6, rssBytes }
}

/** The short poll time-out ends the last block quickly; otherwise it would wait for events that do not come. */
function createQueue({ brokers, topic, group, partitions }: KafkaEngineTask): string {
  return `CREATE TABLE bench_queue (event_id String, project_id String, metric LowCardinality(String), value Decimal(38, 9), timestamp DateTime64(3, 'UTC'))
    ENGINE = Kafka SETTINGS kafka_broker_list = '${brokers.join(',')}', kafka_topic_list = '${topic}', kafka_group_name = '${group}',
      kafka_format = 'JSONEachRow', kafka_num_consumers = ${partitions}, kafka_thread_per_consumer = 1, kafka_max_block_size = ${BLOCK_ROWS},
      kafka_poll_timeout_ms = 20, date_time_input_format = 'best_effort'`
}

const VIEW = `CREATE MATERIALIZED VIEW bench_queue_mv TO raw_usage_events_v1 AS
  SELECT project_id, event_id, toDate(timestamp) AS usage_date, metric, timestamp, value, concat(_topic, '/', toString(_partition)) AS log,
    18446744073709551615 - _offset AS rank, _timestamp_ms AS received_at FROM bench_queue`

const NO_PARAMETERS = z.object({})
const assignedPartitions = defineQuery({
  name: 'bench_assigned_partitions',
  sql: "SELECT sum(length(assignments.partition_id)) AS partitions FROM system.kafka_consumers WHERE table = 'bench_queue'",
  params: NO_PARAMETERS,
  row: z.object({ partitions: z.coerce.number() }),
})
const rawRows = defineQuery({
  name: 'bench_raw_rows',
  sql: 'SELECT count() AS events FROM raw_usage_events_v1',
  params: NO_PARAMETERS,
  row: z.object({ events: z.coerce.number() }),
})
const rollupEvents = defineQuery({
  name: 'bench_rollup_events',
  sql: 'SELECT sum(events) AS events FROM project_usage_per_day_v1',
  params: NO_PARAMETERS,
  row: z.object({ events: z.coerce.number() }),
})

async function until(reached: () => Promise<boolean>): Promise<void> {
  while (!(await reached())) await new Promise((resolve) => setTimeout(resolve, POLL_MS))
}

/** Run as a process by ingest-rates.ts: the Kafka engine reads the topic into the same raw table, whose view fills the rollup. */
const task = forkedTask<KafkaEngineTask>()
const clickhouse = await openClickHouse({ engine: 'embedded', directory: task.directory })
await migrate(clickhouse)
if (!task.fsync) await switchOffFsync(clickhouse)
const result = await consume(clickhouse, task)
await clickhouse.close()
sendResult(result)
