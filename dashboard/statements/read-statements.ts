import type { ErrorCode } from '../../contract/errors.ts'
import type { ExportFormat } from '../../contract/export-formats.ts'
import type { EXPORT_LINES, EXPORT_OWN_STATEMENT } from '../../contract/exports.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import type { GET_OWN_STATEMENT, GET_STATEMENT, LIST_OWN_STATEMENTS, LIST_STATEMENTS } from '../../contract/statements.ts'
import type { Subject } from '../address/subject.ts'
import { CallFailed, call, type DownloadedFile, download } from '../calls/call.ts'
import type { AsText } from '../calls/numbers-as-text.ts'
import { caller } from '../session/session.ts'

export type Statement = AsText<AnswerOf<typeof GET_STATEMENT>>
export type ListedStatement = AsText<AnswerOf<typeof LIST_STATEMENTS>>['statements'][number]
export type StatementHead = Statement['statement']
export type StatementTotal = Statement['totals'][number]
export type ProjectLine = Statement['projects'][number]
export type AdjustmentLine = Statement['adjustments'][number]

/** All months of a partner that have a statement, newest first. */
export async function readStatements({ partnerId, asAdmin }: Subject, signal: AbortSignal): Promise<ListedStatement[]> {
  const request = { method: 'GET', params: { partnerId } } as const
  const { statements } = asAdmin
    ? await call<typeof LIST_STATEMENTS>(caller(signal), { ...request, path: '/admin/v1/statements/:partnerId' })
    : await call<typeof LIST_OWN_STATEMENTS>(caller(signal), { ...request, path: '/partnership/v1/:partnerId/statements' })
  return statements.toReversed()
}

export interface MonthOfSubject {
  readonly subject: Subject
  readonly month: string
}

/** With byte-days there are lines of 0 among the adjustments, where only the byte-days of a month are corrected. */
export function readStatement(
  { subject: { partnerId, asAdmin }, month }: MonthOfSubject,
  signal: AbortSignal,
  { withByteDays = false } = {},
): Promise<Statement> {
  const request = { method: 'GET', params: { partnerId, month }, query: { include: withByteDays ? ('byte_days' as const) : undefined } } as const
  if (asAdmin) return call<typeof GET_STATEMENT>(caller(signal), { ...request, path: '/admin/v1/statements/:partnerId/:month' })
  return call<typeof GET_OWN_STATEMENT>(caller(signal), { ...request, path: '/partnership/v1/:partnerId/statements/:month' })
}

/** The statement with byte-days, or without them if an earlier version did not keep what they are computed from. */
export function readStatementWithByteDays(of: MonthOfSubject, signal: AbortSignal): Promise<Statement> {
  return readStatement(of, signal, { withByteDays: true }).catch((error: unknown) => {
    if (error instanceof CallFailed && error.code === BYTE_DAYS_UNKNOWN) return readStatement(of, signal)
    throw error
  })
}

const BYTE_DAYS_UNKNOWN: ErrorCode = 'BYTE_DAYS_UNKNOWN'

/** The statement as a file. */
export function exportStatement(
  { subject: { partnerId, asAdmin }, month }: MonthOfSubject,
  format: ExportFormat,
  signal: AbortSignal,
): Promise<DownloadedFile> {
  if (asAdmin) return download<typeof EXPORT_LINES>(caller(signal), { method: 'GET', path: '/admin/v1/exports', query: { month, partner: partnerId, format } })
  const params = { partnerId, month }
  return download<typeof EXPORT_OWN_STATEMENT>(caller(signal), {
    method: 'GET',
    path: '/partnership/v1/:partnerId/statements/:month/export',
    params,
    query: { format },
  })
}
