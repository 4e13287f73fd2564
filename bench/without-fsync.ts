import type { ClickHouse } from '../sql/clickhouse.ts'

/** For comparison only: without fsync, acknowledged events can be lost when the machine loses power. */
export async function switchOffFsync({ control }: ClickHouse): Promise<void> {
  for (const table of ['raw_usage_events_v1', 'project_usage_per_day_v1'])
    await control.command(`ALTER TABLE ${table} MODIFY SETTING fsync_after_insert = 0, fsync_part_directory = 0`)
}
