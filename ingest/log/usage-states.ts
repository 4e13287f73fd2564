import { z } from 'zod'
import type { ClickHouse, Lane } from '../../sql/clickhouse.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'
import { METRIC_OF_STATES, STATE_COLUMNS, statesOfRaw } from '../../sql/usage-states.ts'
import type { LogRange } from './in-doubt-range.ts'

/**
 * Adds the states of the events that a log has stored at the offsets of a range (sql/usage-states.ts). What is there already stays the same,
 * so it may run at any time, under any lease. `metrics`: the metrics of states in the range; by default those of the catalogue, which is on
 * the same server unless the log is on a shard of its own. Throws StoreError.
 */
export async function addStatesOfRange(
  lane: Pick<Lane, 'execute'>,
  log: string,
  { first, through, metrics }: LogRange & { readonly metrics?: readonly string[] | undefined },
): Promise<void> {
  if (metrics === undefined) await lane.execute(statesOfRange, { log, first, through })
  else if (metrics.length > 0) await lane.execute(givenStatesOfRange, { log, first, through, metrics: [...metrics] })
}

/** The metrics whose usage is computed from states, if the shard of a log does not have the catalogue itself. Throws StoreError. */
export async function readMetricsOfStates(clickhouse: ClickHouse, shard: ClickHouse): Promise<string[] | undefined> {
  if (shard === clickhouse) return undefined
  return (await clickhouse.control.query(metricsOfStates, {})).map(({ metric }) => metric)
}

const RANGE = 'log = {log: String} AND rank >= bitNot({through: UInt64}) AND rank <= bitNot({first: UInt64})'
const Range = z.object({ log: z.string(), first: z.number(), through: z.number() })

const statesOfRange = defineStatement({
  name: 'add_states_of_range',
  sql: `INSERT INTO usage_states_per_day_v1 ${STATE_COLUMNS}
        ${statesOfRaw(RANGE)}`,
  params: Range,
  settings: { max_execution_time: 600 },
})

const givenStatesOfRange = defineStatement({
  name: 'add_given_states_of_range',
  sql: `INSERT INTO usage_states_per_day_v1 ${STATE_COLUMNS}
        ${statesOfRaw(RANGE, { metrics: 'metric IN {metrics: Array(String)}' })}`,
  params: Range.extend({ metrics: z.array(z.string()) }),
  settings: { max_execution_time: 600 },
})

const metricsOfStates = defineQuery({
  name: 'metrics_of_states',
  sql: `SELECT metric FROM metrics_v1 FINAL WHERE ${METRIC_OF_STATES}`,
  params: z.object({}),
  row: z.object({ metric: z.string() }),
})
