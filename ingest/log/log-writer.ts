import type { Rejection } from '../../metering/event.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { type Lease, leaseTag } from '../../sql/lease.ts'
import { escapeField, RowsBuffer, row } from '../../sql/tab-separated.ts'
import type { LogRecord, Verdict } from './detect-duplicates.ts'

export interface Batch {
  /** The batch is the offsets [first, through] of its log. */
  readonly first: number
  readonly through: number
  readonly records: readonly LogRecord[]
  readonly verdicts: readonly Verdict[]
  readonly position: PositionRule
}

/**
 * When a batch's position is written: `with rows`, when there is anything to store beside it; `always`, for a log that
 * would be read again from the position before; `never`, while a range is settled, because its position stands already.
 */
export type PositionRule = 'with rows' | 'always' | 'never'

/**
 * Writes one batch of a log. The order is the guarantee:
 * 1. Position: from here on this range is in doubt, and whoever takes the log settles it.
 *    A crash before it: nothing happened.
 * 2. Rows: refused as a whole when a newer owner has taken the log. A crash after 1 or within 2: some months may be in
 *    raw, or raw without its rollup; settle recounts the range.
 * 3. Rejected events, after the rows, because a conflict is told against a first that must be stored.
 * Only when all have been acknowledged may the events be. Each is sent once: after an error nothing is sent again under
 * this ownership, because the request may still arrive; the log is taken anew and settled. Throws StoreError.
 */
export async function writeBatch(lane: Lane, ownership: Lease, batch: Batch): Promise<void> {
  const tag = leaseTag(ownership.log)
  const positioned = mustPosition(batch) ? writePosition(lane, ownership, batch) : undefined
  // Written out while the position is on its way; sent only when it has been acknowledged.
  const rows = rowsText(ownership, batch)
  const rejected = rejectedText(ownership, batch)
  await positioned
  if (rows.length > 0) await lane.insert({ table: 'usage_events_inbox_v1', columns: ROW_COLUMNS, text: rows, tag })
  if (rejected !== '') await lane.insert({ table: 'rejected_events_inbox_v1', columns: REJECTED_COLUMNS, text: rejected, tag })
}

function mustPosition({ position, verdicts }: Batch): boolean {
  if (position === 'with rows') return verdicts.some(({ status }) => status === 'counted' || status === 'rejected')
  return position === 'always'
}

function writePosition(lane: Lane, { log, epoch, owner }: Lease, { first, through }: Batch): Promise<void> {
  const text = row([log, epoch, owner, first, through])
  return lane.insert({ table: 'log_positions_inbox_v1', columns: POSITION_COLUMNS, text, tag: leaseTag(log) })
}

const POSITION_COLUMNS = ['log', 'epoch', 'owner', 'first', 'through']
const ROW_COLUMNS = ['project_id', 'event_id', 'metric', 'timestamp_ms', 'value', 'received_ms', 'offset', 'log', 'epoch', 'owner']
const REJECTED_COLUMNS = ['offset', 'reason', 'message', 'project_id', 'event_id', 'ingest_key_id', 'received_ms', 'original_base64', 'log', 'epoch', 'owner']

/** Of an event's fields only event_id may hold a character to escape; the others are of known alphabets. */
function rowsText(ownership: Lease, { records, verdicts }: Batch): Buffer {
  const end = `\t${ownership.log}\t${ownership.epoch}\t${ownership.owner}\n`
  const rows = new RowsBuffer()
  records.forEach(({ judged, receivedMs, offset }, index) => {
    if (judged.status !== 'valid' || verdicts[index]?.status !== 'counted') return
    const { projectId, eventId, metric, timestampMs, value } = judged.event
    rows.add(`${projectId}\t${escapeField(eventId)}\t${metric}\t${timestampMs}\t${value}\t${receivedMs}\t${offset}${end}`)
  })
  return rows.toBuffer()
}

function rejectedText(ownership: Lease, { records, verdicts }: Batch): string {
  const owner = [ownership.log, ownership.epoch, ownership.owner]
  let text = ''
  records.forEach((record, index) => {
    const verdict = verdicts[index]
    if (verdict?.status === 'rejected') text += row([...rejectedFields(record, verdict.rejection), ...owner])
  })
  return text
}

function rejectedFields({ judged, offset, ingestKeyId, receivedMs }: LogRecord, { reason, message }: Rejection): (string | number)[] {
  const { projectId, eventId } = judged.status === 'valid' ? judged.event : judged
  const original = judged.original().toString('base64')
  return [offset, reason, message, projectId, eventId ?? '', ingestKeyId, receivedMs, original]
}
