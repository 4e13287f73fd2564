import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { type Lease, leaseTag } from '../../sql/lease.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'

/** A revision of a subject, such as "focus/month=2026-10/all". */
export interface Delivery {
  readonly subject: string
  readonly revision: number
  /** False from when it was recorded until its manifest was delivered. */
  readonly isComplete: boolean
  readonly name: string
  /** Whether the content is final. */
  readonly status: 'open' | 'closed'
  readonly sha256: string
  readonly bytes: number
  /** For a day: how often it had changed before it was read (usage_day_changes_v1). Otherwise 0. */
  readonly changes: number
  /** ms since 1970. */
  readonly deliveredMs: number
  /** The folder or the URL that it was delivered to, without what may be secret (shown-target.ts); empty if it is unknown. */
  readonly target: string
}

/** Throws StoreError, `fenced` when another process has acquired the lease. */
export async function writeDelivery({ work }: Pick<ClickHouse, 'work'>, lease: Lease, scheduleId: string, delivery: Delivery): Promise<void> {
  const { subject, revision, isComplete, name, status, sha256, bytes, changes, deliveredMs, target } = delivery
  const fields = [scheduleId, subject, revision, isComplete ? 2 : 1, name, status, sha256, bytes, changes, deliveredMs, target]
  const text = row([lease.name, lease.epoch, lease.owner, ...fields])
  await work.insert({ table: 'deliveries_inbox_v1', columns: COLUMNS, text, tag: leaseTag(lease.name) })
}

const COLUMNS = [
  ...['log', 'epoch', 'owner', 'schedule_id', 'subject', 'revision', 'step', 'name', 'status', 'sha256', 'bytes'],
  ...['changes', 'delivered_ms', 'target'],
]

/** The newest revision of each subject that begins with a text, by subject. Throws StoreError. */
export async function readNewestDeliveries(
  { reads }: Pick<ClickHouse, 'reads'>,
  scheduleId: string,
  subjects: { readonly prefix: string; readonly suffix: string },
): Promise<Map<string, Delivery>> {
  const found = await reads.query(newestDeliveries, { scheduleId, ...subjects })
  return new Map(found.map((each) => [each.subject, each]))
}

export const DeliveryRow = z.object({
  subject: z.string(),
  revision: z.coerce.number(),
  isComplete: z.number().transform((step) => step === 2),
  name: z.string(),
  status: z.enum(['open', 'closed']),
  sha256: z.string(),
  bytes: z.coerce.number(),
  changes: z.coerce.number(),
  deliveredMs: z.coerce.number(),
  target: z.string(),
})

const newestDeliveries = defineQuery({
  name: 'newest_deliveries',
  sql: `SELECT subject, revision, step AS isComplete, name, status, sha256, bytes, changes, toUnixTimestamp64Milli(delivered_at) AS deliveredMs,
          target
        FROM deliveries_v1 FINAL
        WHERE schedule_id = {scheduleId: String} AND startsWith(subject, {prefix: String}) AND endsWith(subject, {suffix: String})
        ORDER BY subject, revision DESC LIMIT 1 BY subject`,
  params: z.object({ scheduleId: z.string(), prefix: z.string(), suffix: z.string() }),
  row: DeliveryRow,
})
