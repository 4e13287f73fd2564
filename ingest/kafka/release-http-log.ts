import { z } from 'zod'
import type { Logger } from '../../metering/logger.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { classifyStoreError, StoreError } from '../../sql/errors.ts'
import { acquireLease } from '../../sql/lease.ts'
import { defineQuery } from '../../sql/query.ts'
import { HTTP_LOG } from '../http/http-log.ts'
import { readInDoubtRange } from '../log/in-doubt-range.ts'
import { reconcileRollup } from '../log/reconcile.ts'
import { findLiveOwner, publishWatermark } from '../log/watermark.ts'

/**
 * Where a topic has taken the place of the http log: settles what its last owner left in doubt and releases it, so that it
 * holds back no answer. Nobody reads it again; what was never acknowledged comes again over Kafka. Throws StoreError.
 */
export async function releaseHttpLog(clickhouse: ClickHouse, { logger, ownerSilenceMsMax }: { logger: Logger; ownerSilenceMsMax: number }): Promise<void> {
  const { control, engine } = clickhouse
  const [left] = await control.query(unreleasedLog, { log: HTTP_LOG })
  if (left === undefined) return
  const living = engine === 'embedded' ? undefined : await findLiveOwner(control, HTTP_LOG, ownerSilenceMsMax)
  // Neither would know what the other stores: the same event over both ways would pass as new in each.
  // Neither would know what the other stores: the same event over both ways would pass as new in each.
  if (living !== undefined)
    throw new StoreError(
      'unavailable',
      `${living} writes to this store without Kafka. Stop it, or give it a database of its own; until then nothing is counted here.`,
    )
  const taken = await acquireLease(clickhouse, HTTP_LOG)
  if (taken.status === 'outranked') return
  try {
    const range = await readInDoubtRange(control, HTTP_LOG)
    if (range !== undefined) await reconcileRollup(control, taken.lease, range)
    await publishWatermark(control, taken.lease, { asOfMs: Date.now(), settledThrough: range?.through ?? -1, released: true })
    logger.info({}, 'the http log of this store is settled and released; the topic has taken its place')
  } catch (error) {
    // Another process that starts does the same.
    if (classifyStoreError(error).fault !== 'fenced') throw error
  }
}

const unreleasedLog = defineQuery({
  name: 'unreleased_log',
  sql: 'SELECT log FROM (SELECT log, max(newest) AS newest FROM log_watermarks_v1 WHERE log = {log: String} GROUP BY log) WHERE newest.released = 0',
  params: z.object({ log: z.string() }),
  row: z.object({ log: z.string() }),
})
