import type { ClickHouse } from '../../sql/clickhouse.ts'
import { acquireLease, isRetiredEpoch, type Lease } from '../../sql/lease.ts'
import { shardOfLog } from '../../sql/shards.ts'
import { type InDoubtRange, readInDoubtRange } from './in-doubt-range.ts'
import { reconcileRange } from './reconcile.ts'
import { readMetricsOfStates } from './usage-states.ts'
import { publishWatermark } from './watermark.ts'

/**
 * Ends the writes of a log's owner and makes its rollup whole: acquires its lease and recounts the in-doubt range. `permanently`: no
 * process acquires the lease any more. Otherwise the log can go on later, from its stored position. Returns the range of the last
 * batch; undefined for a log without one. Throws StoreError.
 */
export async function retireLog(clickhouse: ClickHouse, log: string, { permanently }: { permanently: boolean }): Promise<InDoubtRange | undefined> {
  const shard = shardOfLog(clickhouse, log)
  const lease = await acquireForCertain(shard, log, permanently)
  if (lease === undefined) return undefined
  const { control } = shard
  const range = await readInDoubtRange(control, log)
  if (range === undefined) return undefined
  const metricsOfStates = range.settled ? undefined : await readMetricsOfStates(clickhouse, shard)
  await reconcileRange(control, lease, { ...range, metricsOfStates })
  // A range that is in doubt stays so: what raw lacks of it is counted when the log goes on.
  const settledThrough = range.settled ? range.through : range.first - 1
  await publishWatermark(control, lease, { asOfMs: range.asOfMs, settledThrough, released: true, number: 1 })
  return range
}

const ATTEMPTS_MAX = 5

/** Undefined for a log that is retired permanently: nobody writes to it. */
async function acquireForCertain(clickhouse: ClickHouse, log: string, permanently: boolean): Promise<Lease | undefined> {
  for (let attempts = 0; attempts < ATTEMPTS_MAX; attempts += 1) {
    const outcome = await acquireLease(clickhouse, log, { retire: permanently })
    if (outcome.status === 'acquired') return outcome.lease
    if (!permanently && isRetiredEpoch(outcome.epoch)) return undefined
  }
  throw new Error(`Other processes acquired the lease of the log ${log} ${ATTEMPTS_MAX} times in a row. Try again.`)
}
