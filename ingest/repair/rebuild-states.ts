import { z } from 'zod'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { STATE_COLUMNS, statesOfRaw } from '../../sql/usage-states.ts'

const IN_MONTH = 'usage_date >= {from: Date} AND usage_date < {end: Date}'
const Span = z.object({ from: z.string(), end: z.string() })
const Partition = z.object({ partition: z.string().regex(/^\d{6}$/) })
const LONG = { max_execution_time: 3600 }

/**
 * Computes the states of a month again from raw, beside the ones in use. Call it while the logs are locked. Returns the statement that moves
 * them: a month without states has no partition, which the store refuses to replace. `metrics`: those of states, unless the same server has
 * the catalogue (ingest/log/usage-states.ts). Throws StoreError.
 */
export async function computeStates(
  reads: Pick<Lane, 'query' | 'execute'>,
  { metrics, ...span }: z.output<typeof Span> & { readonly metrics: readonly string[] | undefined },
): Promise<typeof replaceStates> {
  await reads.execute(emptyRebuiltStates, {})
  if (metrics === undefined) await reads.execute(computeMonth, span)
  else if (metrics.length > 0) await reads.execute(computeMonthOfGiven, { ...span, metrics: [...metrics] })
  const { found } = await queryOne(reads, hasRebuiltStates, {})
  return found === 1 ? replaceStates : dropStates
}

const emptyRebuiltStates = defineStatement({
  name: 'empty_rebuilt_states',
  sql: 'TRUNCATE TABLE IF EXISTS rebuilt_usage_states_per_day_v1',
  params: z.object({}),
})

/** Once for each identity. */
const computeMonth = defineStatement({
  name: 'compute_states_of_month',
  sql: `INSERT INTO rebuilt_usage_states_per_day_v1 ${STATE_COLUMNS} ${statesOfRaw(IN_MONTH, { final: 'FINAL' })}`,
  params: Span,
  settings: LONG,
})

const computeMonthOfGiven = defineStatement({
  name: 'compute_given_states_of_month',
  sql: `INSERT INTO rebuilt_usage_states_per_day_v1 ${STATE_COLUMNS} ${statesOfRaw(IN_MONTH, { final: 'FINAL', metrics: 'metric IN {metrics: Array(String)}' })}`,
  params: Span.extend({ metrics: z.array(z.string()) }),
  settings: LONG,
})

const hasRebuiltStates = defineQuery({
  name: 'has_rebuilt_states',
  sql: 'SELECT toUInt8(count() > 0) AS found FROM (SELECT 1 FROM rebuilt_usage_states_per_day_v1 LIMIT 1)',
  params: z.object({}),
  row: z.object({ found: z.number() }),
})

const replaceStates = defineStatement({
  name: 'replace_states_of_month',
  sql: 'ALTER TABLE usage_states_per_day_v1 REPLACE PARTITION ID {partition: String} FROM rebuilt_usage_states_per_day_v1',
  params: Partition,
})

const dropStates = defineStatement({
  name: 'drop_states_of_month',
  sql: 'ALTER TABLE usage_states_per_day_v1 DROP PARTITION ID {partition: String}',
  params: Partition,
})
