import { z } from 'zod'
import { WINDOW_ACTIONS } from '../../metering/window-record.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'

/** What the event log has of a correction batch. Times in ms since 1970. */
export interface BatchState {
  readonly events: number
  readonly closedMs: number | undefined
  readonly revertedMs: number | undefined
}

/** The states of batches by id. What no event was sent to, and no record closed, has none. Throws StoreError. */
export async function readBatchStates(
  { reads }: Pick<ClickHouse, 'reads'>,
  batches: readonly { readonly id: string; readonly projectId: string; readonly from: string; readonly to: string }[],
): Promise<ReadonlyMap<string, BatchState>> {
  if (batches.length === 0) return new Map()
  const params = { ids: batches.map(({ id }) => id), projects: [...new Set(batches.map(({ projectId }) => projectId))] }
  // The events of a batch are on its days, and raw has more than these.
  const days = {
    first: batches.map(({ from }) => from).toSorted()[0] ?? '',
    last:
      batches
        .map(({ to }) => to)
        .toSorted()
        .at(-1) ?? '',
  }
  const [counts, records] = await Promise.all([reads.query(eventsOfBatches, { ...params, ...days }), reads.query(recordsOfBatches, params)])
  const timeOf = (id: string, action: string) => records.find((each) => each.id === id && each.action === action)?.receivedMs
  const ids = new Set([...counts, ...records].map(({ id }) => id))
  return new Map(
    [...ids].map((id) => {
      const events = counts.find((each) => each.id === id)?.events
      return [id, { events: events === undefined ? 0 : events, closedMs: timeOf(id, 'close'), revertedMs: timeOf(id, 'revert') }]
    }),
  )
}

const Params = z.object({ ids: z.array(z.string()), projects: z.array(z.string()) })

const eventsOfBatches = defineQuery({
  name: 'events_of_correction_batches',
  sql: `SELECT correction_batch AS id, count() AS events FROM raw_usage_events_v1 FINAL
        WHERE project_id IN {projects: Array(String)} AND usage_date >= {first: Date} AND usage_date <= {last: Date} AND correction_batch IN {ids: Array(String)}
        GROUP BY correction_batch`,
  params: Params.extend({ first: z.string(), last: z.string() }),
  row: z.object({ id: z.string(), events: z.coerce.number() }),
  settings: { do_not_merge_across_partitions_select_final: 1 },
})

const recordsOfBatches = defineQuery({
  name: 'records_of_correction_batches',
  sql: `SELECT correction_batch AS id, action, toUnixTimestamp64Milli(received_at) AS receivedMs FROM usage_corrections_v1 FINAL
        WHERE project_id IN {projects: Array(String)} AND corrects = '' AND correction_batch IN {ids: Array(String)}`,
  params: Params,
  row: z.object({ id: z.string(), action: z.enum(WINDOW_ACTIONS), receivedMs: z.coerce.number() }),
})
