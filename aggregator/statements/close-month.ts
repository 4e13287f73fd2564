import { randomUUID } from 'node:crypto'
import type { Logger } from '../../metering/logger.ts'
import type { MeasuredMetric } from '../../metering/metrics.ts'
import { endOfMonthMs, type Month, periodOfMonth } from '../../metering/month.ts'
import type { NoteChange } from '../../registry/audit-log.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { type Lease, leaseTag } from '../../sql/lease.ts'
import type { RunBetweenBatches } from '../../sql/run-between-batches.ts'
import { row } from '../../sql/tab-separated.ts'
import { readAsOf } from '../as-of.ts'
import { audit } from '../audits/audit.ts'
import { nextToClose, readBillingStates } from './billing-state.ts'
import { hashStatement } from './canonical-lines.ts'
import { withClosingLease } from './closing-lease.ts'
import { readStatementHeaders, type StatementHeader } from './headers.ts'
import { readNegativeAdjustments } from './negative-adjustments.ts'
import { recountMonths } from './recount-months.ts'
import { removeLeftovers } from './remove-leftovers.ts'
import { writeStatementLines } from './write-lines.ts'

export interface ClosingOptions {
  readonly clickhouse: ClickHouse
  /** For the audit. */
  readonly runBetweenBatches: RunBetweenBatches
  /** ms since 1970. */
  readonly now: () => number
  readonly note: NoteChange
  readonly logger: Logger
}

export interface ClosingRequest {
  readonly partnerId: string
  readonly month: Month
  readonly closedBy: StatementHeader['closedBy']
}

/** `isNew` is false when the month was closed before. With any status but `closed`, nothing was changed. */
export type ClosingOutcome =
  | { status: 'closed'; header: StatementHeader; isNew: boolean }
  | { status: 'no_statement'; billingFrom: Month }
  | { status: 'not_over'; overMs: number }
  | { status: 'earlier_open'; month: Month }
  | { status: 'not_complete'; asOfMs: number | null }
  | { status: 'audit_differs'; differences: number }
  | { status: 'elsewhere' }

/**
 * Closes a partner's month (P4): its bytes never change afterwards. The order is the guarantee:
 * 1. Check that the month is over, next in order, complete (as_of), and audited with 0 differences.
 * 2. Acquire the lease of the partner's closings, and recheck what another process may have closed meanwhile.
 * 3. Remove what earlier attempts left. Read how much is stored by now, then recount raw: the month, and each closed month in which
 *    the partner has other events or corrections than were billed.
 * 4. Write the lines, computed from that recount alone. A crash up to here leaves rows of a closing that has no header: they count
 *    nowhere, and the month is closed again from the start.
 * 5. Write the audit log. A crash after it leaves an entry for a closing that does not exist, until the month is closed again.
 * 6. Write the header, with the hash over the lines as they are read back. It is the commit.
 * A month that was closed before is returned unchanged. Throws StoreError.
 */
export async function closeMonth(options: ClosingOptions, request: ClosingRequest): Promise<ClosingOutcome> {
  const { clickhouse } = options
  const existing = await findHeader(clickhouse, request)
  if (existing !== undefined) return { status: 'closed', header: existing, isNew: false }
  const asOfMs = await readAsOf(clickhouse)
  const rejection =
    (await rejectOutOfOrder(clickhouse, request)) ??
    rejectTooEarly(request.month, { nowMs: options.now(), asOfMs }) ??
    (await rejectUnaudited(options, request))
  if (rejection !== undefined) return rejection
  const outcome = await withClosingLease(clickhouse, request.partnerId, (lease) => closeUnderLease(options, request, lease))
  return outcome.status === 'done' ? outcome.result : outcome
}

async function closeUnderLease({ clickhouse, now, note, logger }: ClosingOptions, request: ClosingRequest, lease: Lease): Promise<ClosingOutcome> {
  const { partnerId, month, closedBy } = request
  const closed = await readStatementHeaders(clickhouse, partnerId)
  const existing = closed.find((header) => header.month === month)
  if (existing !== undefined) return { status: 'closed', header: existing, isNew: false }
  const outOfOrder = await rejectOutOfOrder(clickhouse, request)
  if (outOfOrder !== undefined) return outOfOrder
  // Read before the recount: what is complete now is in what is read later.
  const asOfMs = await readAsOf(clickhouse)
  // Rechecked, because a log that was added meanwhile may not be complete up to any time yet.
  const tooEarly = rejectTooEarly(month, { nowMs: now(), asOfMs })
  if (asOfMs === null || tooEarly !== undefined) return tooEarly ?? { status: 'not_complete', asOfMs }
  await removeLeftovers(clickhouse, partnerId, lease)
  const attempt = { partnerId, month, closing: randomUUID(), lease }
  const recounted = await recountMonths(clickhouse, attempt, closed)
  const metrics = await writeStatementLines(clickhouse, attempt, { closed, recounted: recounted.months })
  const negative = await readNegativeAdjustments(clickhouse, attempt)
  const { lines, sha256 } = await hashStatement(clickhouse, attempt)
  await note({ action: 'statement.close', subject: partnerId, details: { month, closed_by: closedBy, lines, sha256 } })
  await writeHeader(clickhouse, lease, [
    ...[partnerId, month, attempt.closing, now(), closedBy, asOfMs, lines, sha256],
    ...[textArray([...recounted.billedChanges.keys()]), numberArray([...recounted.billedChanges.values()]), recounted.projectsThroughMs, metricArray(metrics)],
  ])
  const written = await findHeader(clickhouse, request)
  if (written === undefined) throw new Error('The header of a closing was acknowledged but is not stored.')
  for (const adjustment of negative) logger.error({ partnerId, month, ...adjustment }, NEGATIVE_ADJUSTMENT)
  return { status: 'closed', header: written, isNew: true }
}

/** The alarm of a negative adjustment. It is logged after the commit, because only then is it billed. */
const NEGATIVE_ADJUSTMENT =
  'a month is corrected to less than was billed, and no event of it was corrected; only a repaired fault can cause this: find out which one'

async function rejectOutOfOrder(clickhouse: ClickHouse, { partnerId, month }: ClosingRequest): Promise<ClosingOutcome | undefined> {
  const [state] = await readBillingStates(clickhouse, partnerId)
  if (state === undefined) throw new Error(`The partner ${partnerId} does not exist.`)
  if (month < state.billingFrom) return { status: 'no_statement', billingFrom: state.billingFrom }
  const next = nextToClose(state)
  return month > next ? { status: 'earlier_open', month: next } : undefined
}

/** If usage is complete only up to a time before the month's end, events of the month may be missing. */
function rejectTooEarly(month: Month, { nowMs, asOfMs }: { nowMs: number; asOfMs: number | null }): ClosingOutcome | undefined {
  const overMs = endOfMonthMs(month)
  if (nowMs < overMs) return { status: 'not_over', overMs }
  return asOfMs === null || asOfMs < overMs ? { status: 'not_complete', asOfMs } : undefined
}

async function rejectUnaudited({ clickhouse, runBetweenBatches }: ClosingOptions, { partnerId, month }: ClosingRequest): Promise<ClosingOutcome | undefined> {
  const { first, end } = periodOfMonth(month)
  const { differences, partnershipDifferences } = await audit(clickhouse, { from: first, end, partnerId }, runBetweenBatches)
  const count = differences.length + partnershipDifferences.length
  return count === 0 ? undefined : { status: 'audit_differs', differences: count }
}

async function findHeader(clickhouse: ClickHouse, { partnerId, month }: ClosingRequest): Promise<StatementHeader | undefined> {
  return (await readStatementHeaders(clickhouse, partnerId)).find((header) => header.month === month)
}

async function writeHeader({ work }: ClickHouse, { name: log, epoch, owner }: Lease, fields: readonly (string | number)[]): Promise<void> {
  await work.insert({ table: 'statements_inbox_v1', columns: HEADER_COLUMNS, text: row([log, epoch, owner, ...fields]), tag: leaseTag(log) })
}

const HEADER_COLUMNS = [
  ...['log', 'epoch', 'owner', 'partner_id', 'month', 'closing', 'closed_ms', 'closed_by', 'as_of_ms', 'lines', 'sha256'],
  ...['months', 'changes', 'projects_through_ms', 'metrics'],
]

/** Names and units need no escape (contract/metrics.ts). */
function metricArray(metrics: readonly MeasuredMetric[]): string {
  return `[${metrics.map(({ metric, kind, unit }) => `('${metric}','${kind}','${unit}')`).join(',')}]`
}

/** An array as TabSeparated writes it. Months need no escape. */
function textArray(texts: readonly string[]): string {
  return `[${texts.map((text) => `'${text}'`).join(',')}]`
}

function numberArray(numbers: readonly number[]): string {
  return `[${numbers.join(',')}]`
}
