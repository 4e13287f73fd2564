import type { ClickHouse } from '../../../sql/clickhouse.ts'

export type RawEvent = readonly [project: string, id: string, metric: string, timestamp: string, value: string, received: string]

/** Raw rows with the time they were received, which no emitter can choose. The views below raw make the rest of them. */
export async function storeRawEvents({ control }: ClickHouse, events: readonly RawEvent[]): Promise<void> {
  const at = (instant: string) => `toDateTime64('${instant.replace('T', ' ').replace('Z', '')}', 3, 'UTC')`
  const rows = events.map(
    ([project, id, metric, timestamp, value, received], offset) =>
      `('${project}', '${id}', toDate(${at(timestamp)}), '${metric}', ${at(timestamp)}, '${value}', 'http', bitNot(toUInt64(${offset})), ${at(received)})`,
  )
  await control.command(
    `INSERT INTO raw_usage_events_v1 (project_id, event_id, usage_date, metric, timestamp, value, log, rank, received_at) SETTINGS async_insert=0 VALUES ${rows.join(', ')}`,
  )
}
