import { SOURCE_LEASE, writeSource } from '../../../ingest/source/source-in-force.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { acquireLease } from '../../../sql/lease.ts'
import { row } from '../../../sql/tab-separated.ts'

/** Stores an incident of a log as its owner does, under a lease of the log. Its topic has no other owner. */
export async function stopLog(clickhouse: ClickHouse, { kind, next, message = 'stopped' }: { kind: string; next: number; message?: string }): Promise<void> {
  const source = await requireLease(clickhouse, SOURCE_LEASE)
  await writeSource(clickhouse.control, source, { source: 'http', isInForce: true })
  const { name, epoch, owner } = await requireLease(clickhouse, 'http')
  await clickhouse.control.insert({
    table: 'log_incidents_inbox_v1',
    columns: ['log', 'epoch', 'owner', 'kind', 'next_offset', 'message'],
    text: row([name, epoch, owner, kind, next, message]),
  })
}

async function requireLease(clickhouse: ClickHouse, name: string) {
  const outcome = await acquireLease(clickhouse, name)
  if (outcome.status !== 'acquired') throw new Error(outcome.status)
  return outcome.lease
}
