import { readInDoubtRange } from '../../../ingest/log/in-doubt-range.ts'
import { writeBatch } from '../../../ingest/log/log-writer.ts'
import type { MetricKinds } from '../../../metering/metrics.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { acquireLease } from '../../../sql/lease.ts'
import type { TestEvent } from '../clients/client.ts'
import { submissionOf } from './submission.ts'

/** Writes a batch of the http log as its owner does, and publishes no watermark after it: as if the process had been killed then. */
export async function storeInDoubt(clickhouse: ClickHouse, events: readonly TestEvent[], metrics?: MetricKinds): Promise<void> {
  const outcome = await acquireLease(clickhouse, 'http')
  if (outcome.status !== 'acquired') throw new Error(outcome.status)
  const before = await readInDoubtRange(clickhouse.ingest, 'http')
  const first = before === undefined ? 0 : before.through + 1
  const { validated, receivedMs, ingestKeyId } = submissionOf(events, Date.now(), metrics)
  const records = validated.map((each, index) => ({ log: 'http', offset: first + index, validated: each, receivedMs, ingestKeyId }))
  const verdicts = records.map(() => ({ status: 'counted' }) as const)
  await writeBatch(clickhouse.ingest, outcome.lease, { first, through: first + events.length - 1, records, verdicts, position: 'with rows' })
}
