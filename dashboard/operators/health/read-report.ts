import type { GET_HEALTH_REPORT, ReportRange } from '../../../contract/health-report.ts'
import type { GET_SOURCE, LIST_LOGS } from '../../../contract/logs.ts'
import type { AnswerOf } from '../../../contract/operation.ts'
import { CallFailed, call } from '../../calls/call.ts'
import type { AsText } from '../../calls/numbers-as-text.ts'
import { chosenOf } from '../../parts/choice.tsx'
import { caller } from '../../session/session.ts'

export type HealthReport = AsText<AnswerOf<typeof GET_HEALTH_REPORT>>
export type ListedLogs = AsText<AnswerOf<typeof LIST_LOGS>>['logs']
export type Source = AsText<AnswerOf<typeof GET_SOURCE>>

/** Where events come from, and the logs of the topic with their offsets; no logs for a service without Kafka. */
export interface SourceAndLogs {
  readonly source: Source
  readonly logs: ListedLogs | undefined
}

export const RANGE_TITLES: Readonly<Record<ReportRange, string>> = { '1h': 'Last hour', '6h': 'Last 6 hours', '24h': 'Last 24 hours', '7d': 'Last 7 days' }

/** The range of the URL. */
export function rangeOf(parameters: Readonly<Record<string, string>>): ReportRange {
  return chosenOf(parameters['range'], Object.keys(RANGE_TITLES) as ReportRange[], '24h')
}

export function readReport(range: ReportRange, signal: AbortSignal): Promise<HealthReport> {
  return call<typeof GET_HEALTH_REPORT>(caller(signal), { method: 'GET', path: '/admin/v1/health-report', query: { range } })
}

export async function readSourceAndLogs(signal: AbortSignal): Promise<SourceAndLogs> {
  const source = await call<typeof GET_SOURCE>(caller(signal), { method: 'GET', path: '/admin/v1/logs/source' })
  // Asked for its logs, a service without Kafka answers with an error: its only log cannot be read again.
  return { source, logs: source.configured === 'http' ? undefined : await readLogs(signal) }
}

async function readLogs(signal: AbortSignal): Promise<ListedLogs | undefined> {
  try {
    return (await call<typeof LIST_LOGS>(caller(signal), { method: 'GET', path: '/admin/v1/logs' })).logs
  } catch (error) {
    if (error instanceof CallFailed && error.code === 'NO_KAFKA') return undefined
    throw error
  }
}
