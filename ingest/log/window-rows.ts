import type { Lease } from '../../sql/lease.ts'
import { RowsBuffer, row } from '../../sql/tab-separated.ts'
import type { LogRecord, Verdict } from './detect-duplicates.ts'

/**
 * The rows of usage_corrections_v1 for a record that closes or reverts a batch, which is the only one of its batch of the log: first the one
 * without an event, which says that it happened, then a correction of each event that it changes. Undefined for every other batch.
 */
export function windowRowsOf({ name: log, epoch, owner }: Lease, { records, verdicts }: WindowBatch) {
  const at = records.findIndex(({ validated }) => validated.status === 'window')
  const [record, verdict] = [records[at], verdicts[at]]
  if (record?.validated.status !== 'window') return undefined
  if (records.length !== 1) throw new Error('A record that changes a window is a batch of its own.')
  if (verdict?.status !== 'counted') return undefined
  // Without what it changes, a window would be stored as one that changes nothing.
  if (verdict.changes === undefined) throw new Error('A record that changes a window has its changes.')
  const { projectId, eventId, metric, batch, action, from, to, reason } = record.validated.window
  const own = [record.offset, projectId, eventId, metric, reason, batch, record.receivedMs, log, epoch, owner]
  const rows = new RowsBuffer()
  rows.add(row([...own, '', verdict.changes.number, from, to, '', action, '0', '0', 0]))
  for (const { corrects, revision, usageDate, labels, value, addedTotal, addedVoided } of verdict.changes.events)
    rows.add(row([...own, corrects, revision, usageDate, NO_DAY, labels, value === undefined ? 'void' : 'amend', value ?? '0', addedTotal, addedVoided]))
  return { columns: COLUMNS, text: rows.toBuffer() }
}

interface WindowBatch {
  readonly records: readonly LogRecord[]
  /** One for each record, in order. */
  readonly verdicts: readonly Verdict[]
}

const NO_DAY = '1970-01-01'
const COLUMNS = [
  ...['offset', 'project_id', 'event_id', 'metric', 'reason', 'correction_batch', 'received_ms', 'log', 'epoch', 'owner'],
  ...['corrects', 'revision', 'usage_date', 'window_to', 'labels', 'action', 'value', 'added_total', 'added_voided'],
]
