import { z } from 'zod'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineStatement } from '../../sql/query.ts'
import { STATE_COLUMNS, statesOfRaw } from '../../sql/usage-states.ts'
import type { LogRange } from './in-doubt-range.ts'

/**
 * Adds the states of the events that a log has stored at the offsets of a range (sql/usage-states.ts). What is there already stays the same,
 * so it may run at any time, under any lease. Throws StoreError.
 */
export async function addStatesOfRange(lane: Pick<Lane, 'execute'>, log: string, { first, through }: LogRange): Promise<void> {
  await lane.execute(statesOfRange, { log, first, through })
}

const statesOfRange = defineStatement({
  name: 'add_states_of_range',
  sql: `INSERT INTO usage_states_per_day_v1 ${STATE_COLUMNS}
        ${statesOfRaw('log = {log: String} AND rank >= bitNot({through: UInt64}) AND rank <= bitNot({first: UInt64})')}`,
  params: z.object({ log: z.string(), first: z.number(), through: z.number() }),
  settings: { max_execution_time: 600 },
})
