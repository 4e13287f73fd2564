import { z } from 'zod'
import type { Logger } from '../../metering/logger.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { classifyStoreError, StoreError } from '../../sql/errors.ts'
import { acquireLease } from '../../sql/lease.ts'
import { defineQuery } from '../../sql/query.ts'
import { HTTP_LOG } from '../http/http-log.ts'
import { readInDoubtRange } from '../log/in-doubt-range.ts'
import { reconcileRange } from '../log/reconcile.ts'
import { findLiveOwner, noteTime, publishWatermark } from '../log/watermark.ts'

/**
 * For a store whose http log was replaced by a topic: reconciles what the last owner of the http log left in doubt and releases the
 * log, so that its watermark does not hold back answers. Events that were never acknowledged are sent again over Kafka. Throws StoreError.
 */
export async function releaseHttpLog(clickhouse: ClickHouse, { logger, ownerTimeoutMs }: { logger: Logger; ownerTimeoutMs: number }): Promise<void> {
  const { control, engine } = clickhouse
  const [unreleased] = await control.query(unreleasedLog, { log: HTTP_LOG })
  if (unreleased === undefined) return
  const host = engine === 'embedded' ? undefined : await findLiveOwner(control, HTTP_LOG, ownerTimeoutMs)
  // The owners do not know what the other stores: an event that is sent to both would pass as new in each, and count twice.
  if (host !== undefined)
    throw new StoreError(
      'unavailable',
      `${host} writes to this store without Kafka. Stop it, or give it a database of its own; until then nothing is counted here.`,
    )
  const outcome = await acquireLease(clickhouse, HTTP_LOG)
  if (outcome.status === 'outranked') return
  const lease = outcome.lease
  try {
    const range = await readInDoubtRange(control, HTTP_LOG)
    if (range !== undefined) await reconcileRange(control, lease, range)
    await publishWatermark(control, lease, { asOfMs: await noteTime(control), settledThrough: range?.through ?? -1, released: true, number: 1 })
    logger.info({}, 'the http log of this store is reconciled and released; the topic replaces it')
  } catch (error) {
    // A newer lease means that another starting process is doing the same.
    if (classifyStoreError(error).fault !== 'fenced') throw error
  }
}

const unreleasedLog = defineQuery({
  name: 'unreleased_log',
  sql: 'SELECT log FROM (SELECT log, max(newest) AS newest FROM log_watermarks_v2 WHERE log = {log: String} GROUP BY log) WHERE newest.released = 0',
  params: z.object({ log: z.string() }),
  row: z.object({ log: z.string() }),
})
