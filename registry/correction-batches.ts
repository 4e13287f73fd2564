import { z } from 'zod'
import type { CorrectionWindow } from '../metering/window-record.ts'
import { defineQuery } from '../sql/query.ts'
import { row } from '../sql/tab-separated.ts'
import type { Actor } from './audit-log.ts'
import type { RegistryReads, RegistryStore } from './changes.ts'

/** What a batch is for. It never changes; whether it is closed is in the event log. */
export interface CorrectionBatch extends CorrectionWindow {
  readonly id: string
  readonly reason: string
  readonly createdMs: number
}

/** Throws StoreError. */
export function storeBatch(registry: RegistryStore, actor: Actor, batch: CorrectionBatch): Promise<void> {
  const { id, projectId, metric, from, to, reason, createdMs } = batch
  return registry.changes.run(actor, async (change) => {
    await change.note({ action: 'correction-batch.open', subject: projectId, details: { batch: id, metric, from, to, reason } })
    const columns = ['batch_id', 'revision', 'project_id', 'metric', 'from_day', 'to_day', 'reason', 'created_ms']
    await change.write('correction_batches_inbox_v1', columns, (owner) => row([...owner, id, 1, projectId, metric, from, to, reason, createdMs]))
  })
}

/** Throws StoreError. */
export async function findBatch({ clickhouse }: RegistryReads, id: string): Promise<CorrectionBatch | undefined> {
  const [found] = await clickhouse.registry.query(batchById, { id })
  return found
}

export interface BatchesPage {
  /** Empty: of all projects. */
  readonly projectId: string
  /** The last batch of the previous page; undefined for the first page. */
  readonly after: { readonly createdMs: number; readonly id: string } | undefined
  readonly limit: number
}

/** The last opened first. Throws StoreError. */
export function listBatches({ clickhouse }: RegistryReads, { projectId, after, limit }: BatchesPage): Promise<CorrectionBatch[]> {
  return clickhouse.registry.query(batchesByTime, {
    projectId,
    isFirst: after === undefined ? 1 : 0,
    afterMs: after?.createdMs ?? 0,
    afterId: after?.id ?? '',
    limit,
  })
}

const BatchRow = z.object({
  id: z.string(),
  projectId: z.string(),
  metric: z.string(),
  from: z.string(),
  to: z.string(),
  reason: z.string(),
  createdMs: z.coerce.number(),
})

const BATCH_SELECT = `SELECT batch_id AS id, project_id AS projectId, metric, from_day AS from, to_day AS to, reason,
          toUnixTimestamp64Milli(created_at) AS createdMs
        FROM correction_batches_v1 FINAL`

const batchById = defineQuery({
  name: 'correction_batch_by_id',
  sql: `${BATCH_SELECT} WHERE batch_id = {id: String}`,
  params: z.object({ id: z.string() }),
  row: BatchRow,
})

const batchesByTime = defineQuery({
  name: 'correction_batches_by_time',
  sql: `${BATCH_SELECT}
        WHERE ({projectId: String} = '' OR project_id = {projectId: String})
          AND ({isFirst: UInt64} = 1 OR createdMs < {afterMs: Int64} OR (createdMs = {afterMs: Int64} AND batch_id > {afterId: String}))
        ORDER BY createdMs DESC, batch_id LIMIT {limit: UInt64}`,
  params: z.object({ projectId: z.string(), isFirst: z.number(), afterMs: z.number(), afterId: z.string(), limit: z.number() }),
  row: BatchRow,
})
