import { randomUUID } from 'node:crypto'
import { METRIC_NAMES, METRICS } from '../../metering/metrics.ts'
import { endOfMonthMs, type Month, monthAfter, periodOfMonth } from '../../metering/month.ts'
import type { NoteChange } from '../../registry/audit-log.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { type Lease, leaseTag } from '../../sql/lease.ts'
import type { RunBetweenBatches } from '../../sql/run-between-batches.ts'
import { row } from '../../sql/tab-separated.ts'
import { readAsOf } from '../as-of.ts'
import { audit } from '../audits/audit.ts'
import { type BillingState, readBillingStates } from './billing-state.ts'
import { withClosingLease } from './closing-lease.ts'
import { readStatementHeaders, type StatementHeader } from './headers.ts'
import { recountMonths } from './recount-months.ts'
import { hashStatement, type NegativeAdjustment, writeStatementLines } from './write-lines.ts'

export interface ClosingOptions {
  readonly clickhouse: ClickHouse
  /** Runs work while no batch is in flight, as the audit needs it. */
  readonly runBetweenBatches: RunBetweenBatches
  /** ms since 1970. */
  readonly now: () => number
  readonly note: NoteChange
}

export interface ClosingRequest {
  readonly partnerId: string
  readonly month: Month
  readonly closedBy: StatementHeader['closedBy']
}

/** `closed` also when it was before; `isNew` tells. Nothing was changed by any other outcome. */
export type ClosingOutcome =
  | { status: 'closed'; header: StatementHeader; isNew: boolean; negative: readonly NegativeAdjustment[] }
  | { status: 'no_statement'; billingFrom: Month }
  | { status: 'not_over'; overMs: number }
  | { status: 'earlier_open'; month: Month }
  | { status: 'not_complete'; asOfMs: number | null }
  | { status: 'audit_differs'; differences: number }
  | { status: 'elsewhere' }

/**
 * Closes a partner's month (P4): from here on its bytes never change. The order is the guarantee:
 * 1. Look: over, next in order, complete (as_of), audited with 0 differences.
 * 2. Take the fence of the partner's closings, and look again at what may have been closed meanwhile.
 * 3. Note what is stored by now, then recount raw: the month, and each closed month in which something was stored since.
 * 4. Lines, computed from that recount alone. A crash up to here leaves rows of a closing that has no header: they count
 *    nowhere, and the month is closed anew.
 * 5. The audit log is told. A crash after: it names a closing that is not, until the month is closed anew.
 * 6. The header, with the hash over the lines as they are read back. It is the commit.
 * What was closed before is returned unchanged. Throws StoreError.
 */
export async function closeMonth(options: ClosingOptions, request: ClosingRequest): Promise<ClosingOutcome> {
  const { clickhouse } = options
  const before = await findHeader(clickhouse, request)
  if (before !== undefined) return { status: 'closed', header: before, isNew: false, negative: [] }
  const asOfMs = await readAsOf(clickhouse)
  const refusal =
    (await refuseOutOfOrder(clickhouse, request)) ??
    refuseTooEarly(request.month, { nowMs: options.now(), asOfMs }) ??
    (await refuseUnaudited(options, request))
  if (refusal !== undefined) return refusal
  const fenced = await withClosingLease(clickhouse, request.partnerId, (ownership) => closeUnderFence(options, request, ownership))
  return fenced.status === 'done' ? fenced.result : fenced
}

async function closeUnderFence({ clickhouse, now, note }: ClosingOptions, request: ClosingRequest, ownership: Lease): Promise<ClosingOutcome> {
  const { partnerId, month, closedBy } = request
  const closed = await readStatementHeaders(clickhouse, partnerId)
  const header = closed.find((each) => each.month === month)
  if (header !== undefined) return { status: 'closed', header, isNew: false, negative: [] }
  const refusal = await refuseOutOfOrder(clickhouse, request)
  if (refusal !== undefined) return refusal
  // Before the recount: what is complete now is in what is read later.
  const asOfMs = await readAsOf(clickhouse)
  // Looked at again: a log that came into force meanwhile may be complete up to no time yet.
  const early = refuseTooEarly(month, { nowMs: now(), asOfMs })
  if (asOfMs === null || early !== undefined) return early ?? { status: 'not_complete', asOfMs }
  const attempt = { partnerId, month, closing: randomUUID(), ownership }
  const recounted = await recountMonths(clickhouse, attempt, closed)
  const { negative } = await writeStatementLines(clickhouse, attempt, { closed, recounted: recounted.months })
  const { lines, sha256 } = await hashStatement(clickhouse, attempt)
  await note({ action: 'statement.close', subject: partnerId, details: { month, closed_by: closedBy, lines, sha256 } })
  await writeHeader(clickhouse, ownership, [
    ...[partnerId, month, attempt.closing, now(), closedBy, asOfMs, lines, sha256],
    ...[textArray([...recounted.billedChanges.keys()]), numberArray([...recounted.billedChanges.values()]), recounted.projectsThroughMs, CATALOGUE],
  ])
  const written = await findHeader(clickhouse, request)
  if (written === undefined) throw new Error('The header of a closing was acknowledged but is not stored.')
  return { status: 'closed', header: written, isNew: true, negative }
}

/** The month that is to be closed next: none is skipped, and each has those before it behind it. */
export function nextToClose({ billingFrom, closedThrough }: BillingState): Month {
  return closedThrough === null ? billingFrom : monthAfter(closedThrough)
}

async function refuseOutOfOrder(clickhouse: ClickHouse, { partnerId, month }: ClosingRequest): Promise<ClosingOutcome | undefined> {
  const [state] = await readBillingStates(clickhouse, partnerId)
  if (state === undefined) throw new Error(`There is no partner ${partnerId}.`)
  if (month < state.billingFrom) return { status: 'no_statement', billingFrom: state.billingFrom }
  const next = nextToClose(state)
  return month > next ? { status: 'earlier_open', month: next } : undefined
}

/** An answer that says "complete up to" a time before the month's end may lack events of the month. */
function refuseTooEarly(month: Month, { nowMs, asOfMs }: { nowMs: number; asOfMs: number | null }): ClosingOutcome | undefined {
  const overMs = endOfMonthMs(month)
  if (nowMs < overMs) return { status: 'not_over', overMs }
  return asOfMs === null || asOfMs < overMs ? { status: 'not_complete', asOfMs } : undefined
}

async function refuseUnaudited({ clickhouse, runBetweenBatches }: ClosingOptions, { partnerId, month }: ClosingRequest): Promise<ClosingOutcome | undefined> {
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

const CATALOGUE = `[${METRIC_NAMES.map((metric) => `('${metric}','${METRICS[metric].kind}','${METRICS[metric].unit}')`).join(',')}]`

/** As TabSeparated has arrays. Months need no escape. */
function textArray(texts: readonly string[]): string {
  return `[${texts.map((text) => `'${text}'`).join(',')}]`
}

function numberArray(numbers: readonly number[]): string {
  return `[${numbers.join(',')}]`
}
