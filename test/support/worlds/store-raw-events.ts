import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { STATE_COLUMNS, statesOfRaw } from '../../../sql/usage-states.ts'

export type RawEvent = readonly [project: string, id: string, metric: string, timestamp: string, value: string, received: string]

/**
 * Inserts rows into raw with a chosen receive time, which no emitter can choose. The views of raw, and the states, compute everything else. A value that is no
 * number is the text of an event of the kind `unique`.
 */
export async function storeRawEvents(clickhouse: ClickHouse, events: readonly RawEvent[]): Promise<void> {
  const texts = events.map(([, , , , value]) => (/^\d/.test(value) ? '' : value))
  const rows = events.map(([project, id, metric, timestamp, value, received], index): RawEvent => {
    return [project, id, metric, timestamp, texts[index] === '' ? value : '0', received]
  })
  await insertRaw(clickhouse, rows, texts)
  await clickhouse.control.command(`INSERT INTO usage_states_per_day_v1 ${STATE_COLUMNS} ${statesOfRaw('true')} SETTINGS async_insert=0`)
}

/** The same for a database of an earlier version, which had neither texts nor states. */
export function storeRawEventsOfBefore(clickhouse: ClickHouse, events: readonly RawEvent[]): Promise<void> {
  return insertRaw(clickhouse, events)
}

async function insertRaw({ control }: ClickHouse, events: readonly RawEvent[], texts?: readonly string[]): Promise<void> {
  const at = (instant: string) => `toDateTime64('${instant.replace('T', ' ').replace('Z', '')}', 3, 'UTC')`
  const rows = events.map(
    ([project, id, metric, timestamp, value, received], offset) =>
      `('${project}', '${id}', toDate(${at(timestamp)}), '${metric}', ${at(timestamp)}, '${value}'${texts === undefined ? '' : `, '${texts[offset]}'`}, 'http', bitNot(toUInt64(${offset})), ${at(received)})`,
  )
  await control.command(
    `INSERT INTO raw_usage_events_v1 (project_id, event_id, usage_date, metric, timestamp, value${texts === undefined ? '' : ', text'}, log, rank, received_at) SETTINGS async_insert=0 VALUES ${rows.join(', ')}`,
  )
}
