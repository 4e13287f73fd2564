import type { UsageEvent } from '../../metering/event.ts'
import { monthOf } from '../../metering/month.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { type Lease, leaseTag } from '../../sql/lease.ts'
import { escapeField, RowsBuffer, row } from '../../sql/tab-separated.ts'
import { identityOf } from '../event/pipeline.ts'
import type { LogRecord, Verdict } from './detect-duplicates.ts'
import type { LogRange } from './in-doubt-range.ts'
import { addStatesOfRange } from './usage-states.ts'
import { windowRowsOf } from './window-rows.ts'

/** The offsets [first, through] of a log, with what is written of them. */
export interface Batch extends LogRange {
  readonly records: readonly LogRecord[]
  /** One for each record, in order. */
  readonly verdicts: readonly Verdict[]
  readonly position: PositionRule
}

/**
 * When a batch's position is written: `with rows` if the batch stores anything; `always` for a log that would otherwise be read
 * again from the position before; `never` while a range is reconciled, because its position is stored already.
 */
export type PositionRule = 'with rows' | 'always' | 'never'

/**
 * Writes one batch of a log. The order is the guarantee:
 * 1. Position: from here on this range is in doubt, and the next owner of the log reconciles it.
 *    A crash before it: nothing happened.
 * 2. Rows: the fence refuses them as a whole if another process has acquired the lease. A crash after 1 or within 2: some months
 *    may be in raw, or raw without its rollup; reconciling recounts the range.
 * 3. States of the kinds `last` and `unique`, computed from the rows. A crash before it: reconciling the range adds them.
 * 4. Corrections, after the rows, because the event that they correct may be in the same batch. A crash before it: those events have their
 *    own values; a topic is read again, and over HTTP the corrections are sent again. All corrections of one event are in one part, because
 *    the table is partitioned by the month of the event and a batch is one block: each adds a difference from the one before.
 *    So is every insert of them: corrections of many months are several, as a part is written for each month. The corrections of a whole
 *    window are one insert of one month: all of them are stored, or none.
 * 5. Rejected events, after the rows, because a conflict names the first event of its identity, which must be stored by then.
 * The events may be acknowledged only when all five are. Each is sent once: after an error nothing is sent again under this lease,
 * because the failed request may still arrive; the lease is acquired again and the range reconciled. Throws StoreError.
 */
export async function writeBatch(lane: Lane, lease: Lease, batch: Batch): Promise<void> {
  const tag = leaseTag(lease.name)
  const positioned = needsPosition(batch) ? writePosition(lane, lease, batch) : undefined
  // Serialized while the position is on its way; sent only when the position has been acknowledged.
  const rows = rowsOf(lease, batch)
  const corrections = correctionTexts(lease, batch)
  const window = windowRowsOf(lease, batch)
  const rejected = rejectedText(lease, batch)
  await positioned
  if (rows.bytes.length > 0) await lane.insert({ table: 'usage_events_inbox_v1', columns: rows.columns, text: rows.bytes, tag })
  if (rows.ofStates.size > 0) await addStatesOfRange(lane, lease.name, { ...batch, metrics: [...rows.ofStates] })
  for (const text of corrections) await lane.insert({ table: 'usage_corrections_inbox_v1', columns: CORRECTION_COLUMNS, text, tag })
  if (window !== undefined) await lane.insert({ table: 'usage_corrections_inbox_v1', ...window, tag })
  if (rejected !== '') await lane.insert({ table: 'rejected_events_inbox_v1', columns: REJECTED_COLUMNS, text: rejected, tag })
}

/** Whether a batch with these verdicts stores anything. A batch of duplicates alone, or of what was rejected before, does not. */
export function storesAnything(verdicts: readonly Verdict[]): boolean {
  return verdicts.some((verdict) => verdict.status === 'counted' || (verdict.status === 'rejected' && verdict.kept !== 'before'))
}

function needsPosition({ position, verdicts }: Batch): boolean {
  return position === 'with rows' ? storesAnything(verdicts) : position === 'always'
}

function writePosition(lane: Lane, { name: log, epoch, owner }: Lease, { first, through }: Batch): Promise<void> {
  const text = row([log, epoch, owner, first, through])
  return lane.insert({ table: 'log_positions_inbox_v1', columns: POSITION_COLUMNS, text, tag: leaseTag(log) })
}

const POSITION_COLUMNS = ['log', 'epoch', 'owner', 'first', 'through']
const ROW_COLUMNS = ['project_id', 'event_id', 'metric', 'timestamp_ms', 'value', 'received_ms', 'offset', 'log', 'epoch', 'owner']
/** What few events have. It is written only for a batch that has any of it, so that other batches cost nothing more. */
const MORE_COLUMNS = ['labels', 'text', 'correction_batch']
const CORRECTION_COLUMNS = [
  'offset',
  'project_id',
  'corrects',
  'revision',
  'event_id',
  'usage_date',
  'metric',
  'labels',
  'action',
  'value',
  'reason',
  'added_total',
  'added_voided',
  'received_ms',
  'log',
  'epoch',
  'owner',
]
const REJECTED_COLUMNS = [
  'offset',
  'reason',
  'message',
  'project_id',
  'event_id',
  'ingest_key_id',
  'received_ms',
  'original_base64',
  'format',
  'log',
  'epoch',
  'owner',
]

/** Only event_id is escaped, and what few events have: the other fields have alphabets without characters that need it. */
function rowsOf({ name: log, epoch, owner }: Lease, { records, verdicts }: Batch): { columns: string[]; bytes: Buffer; ofStates: ReadonlySet<string> } {
  const end = `\t${log}\t${epoch}\t${owner}`
  const hasMore = records.some(({ validated }) => validated.status === 'valid' && hasMoreColumns(validated.event))
  const rows = new RowsBuffer()
  const ofStates = new Set<string>()
  records.forEach(({ validated, receivedMs, offset }, index) => {
    if (validated.status !== 'valid' || verdicts[index]?.status !== 'counted') return
    const { projectId, eventId, metric, timestampMs, value, hasState } = validated.event
    if (hasState === true) ofStates.add(metric)
    const more = hasMore ? moreFields(validated.event) : ''
    rows.add(`${projectId}\t${escapeField(eventId)}\t${metric}\t${timestampMs}\t${value}\t${receivedMs}\t${offset}${end}${more}\n`)
  })
  return { columns: hasMore ? [...ROW_COLUMNS, ...MORE_COLUMNS] : ROW_COLUMNS, bytes: rows.toBuffer(), ofStates }
}

function hasMoreColumns({ labels, text, correctionBatch }: UsageEvent): boolean {
  return labels !== undefined || text !== undefined || correctionBatch !== undefined
}

function moreFields({ labels = '', text = '', correctionBatch = '' }: UsageEvent): string {
  return `\t${escapeField(labels)}\t${escapeField(text)}\t${correctionBatch}`
}

/**
 * The corrections of a topic are known with their days only when they are counted, so a batch may have more of them than one insert may touch
 * (touched-days.ts). This many months are at most 372 days.
 */
const CORRECTED_MONTHS_PER_INSERT_MAX = 12

/** One text for each insert, in log order within a month. */
function correctionTexts({ name: log, epoch, owner }: Lease, { records, verdicts }: Batch): string[] {
  const months = new Map<string, number>()
  const texts: string[] = []
  records.forEach(({ validated, receivedMs, offset }, index) => {
    const verdict = verdicts[index]
    if (validated.status !== 'correction' || verdict?.status !== 'counted') return
    // Without what it changes, a correction would be stored as one that changes nothing.
    if (verdict.effect === undefined) throw new Error('A correction that counts has an effect.')
    const { projectId, eventId, corrects, action, value, reason } = validated.correction
    const { revision, metric, usageDate, labels, addedTotal, addedVoided } = verdict.effect
    const fields = [projectId, corrects, revision, eventId, usageDate, metric, labels, action, value, reason, addedTotal, addedVoided]
    const month = months.get(monthOf(usageDate)) ?? months.size
    months.set(monthOf(usageDate), month)
    const insert = Math.floor(month / CORRECTED_MONTHS_PER_INSERT_MAX)
    texts[insert] = `${texts[insert] ?? ''}${row([offset, ...fields, receivedMs, log, epoch, owner])}`
  })
  return texts
}

function rejectedText({ name: log, epoch, owner }: Lease, { records, verdicts, position }: Batch): string {
  let text = ''
  records.forEach((record, index) => {
    const verdict = verdicts[index]
    if (verdict?.status !== 'rejected') return
    // A log that can be read again must know of each of its offsets that it was rejected; the http log need not.
    if (verdict.kept === 'before' && position === 'with rows') return
    text += row([...rejectedFields(record, verdict), log, epoch, owner])
  })
  return text
}

type RejectedVerdict = Verdict & { status: 'rejected' }

function rejectedFields({ validated, offset, ingestKeyId, receivedMs }: LogRecord, { rejection, kept }: RejectedVerdict): (string | number)[] {
  const { projectId, eventId } = identityOf(validated)
  const original = kept === undefined ? validated.original().toString('base64') : ''
  return [offset, rejection.reason, rejection.message, projectId, eventId, ingestKeyId, receivedMs, original, validated.format]
}
