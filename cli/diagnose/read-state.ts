import { LIST_AUDITS } from '../../contract/audits.ts'
import { GET_HEALTH_REPORT, type ReportRange } from '../../contract/health-report.ts'
import { LIST_INGEST_KEYS } from '../../contract/ingest-keys.ts'
import { GET_SOURCE } from '../../contract/logs.ts'
import type { AnswerOf, Operation, RequestInput } from '../../contract/operation.ts'
import { PAGE_ROWS_MAX } from '../../contract/pages.ts'
import { LIST_SERVICE_LOGS, LOG_LINES_MAX } from '../../contract/service-logs.ts'
import { LIST_SIGNING_KEYS } from '../../contract/signing-keys.ts'
import { LIST_SILENT_PROJECTS } from '../../contract/silent-projects.ts'
import { LIST_UNREGISTERED_PROJECTS } from '../../contract/unregistered-projects.ts'
import type { Connection } from '../connection/connect.ts'
import { CliError, EXIT } from '../errors.ts'
import { call, callForList } from '../http-client.ts'

/** What the service says about itself. A part that could not be read is undefined and named in `unread`. */
export interface State {
  readonly nowMs: number
  readonly report: AnswerOf<typeof GET_HEALTH_REPORT>
  readonly source: AnswerOf<typeof GET_SOURCE> | undefined
  /** Of the newest finished days. */
  readonly audits: AnswerOf<typeof LIST_AUDITS>['audits'] | undefined
  readonly silent: AnswerOf<typeof LIST_SILENT_PROJECTS> | undefined
  readonly unregistered: AnswerOf<typeof LIST_UNREGISTERED_PROJECTS>['projects'] | undefined
  readonly signingKeys: AnswerOf<typeof LIST_SIGNING_KEYS>['signing_keys'] | undefined
  readonly ingestKeys: AnswerOf<typeof LIST_INGEST_KEYS>['ingest_keys'] | undefined
  /** Lines of the level error and above of the process that answered. */
  readonly errors: AnswerOf<typeof LIST_SERVICE_LOGS>['logs'] | undefined
  readonly unread: readonly Unread[]
}

export interface Unread {
  readonly part: string
  readonly message: string
}

/** Reads everything that findings are drawn from. Throws CliError without the report, and for credentials that may not read it. */
export async function readState(connection: Connection, range: ReportRange): Promise<State> {
  const unread: Unread[] = []
  const orUnread = async <T>(part: string, reading: Promise<T>): Promise<T | undefined> => {
    try {
      return await reading
    } catch (error) {
      if (!(error instanceof CliError) || error.exitCode === EXIT.notAuthenticated || error.exitCode === EXIT.permissionDenied) throw error
      unread.push({ part, message: error.message })
      return undefined
    }
  }
  const answerTo = <O extends Operation>(part: string, operation: O, request: RequestInput<O> = {}) => orUnread(part, call(connection, operation, request))
  const report = await call(connection, GET_HEALTH_REPORT, { query: { range } })
  const [source, audits, silent, unregistered, signingKeys, ingestKeys, logs] = await Promise.all([
    answerTo('the source in force', GET_SOURCE),
    answerTo('the audits', LIST_AUDITS, { query: { limit: PAGE_ROWS_MAX } }),
    answerTo('the silent projects', LIST_SILENT_PROJECTS),
    orUnread('the unregistered projects', callForList(connection, LIST_UNREGISTERED_PROJECTS, { rows: 'projects' })),
    orUnread('the signing keys', callForList(connection, LIST_SIGNING_KEYS, { rows: 'signing_keys' })),
    orUnread('the ingest keys', callForList(connection, LIST_INGEST_KEYS, { rows: 'ingest_keys' })),
    answerTo('the log', LIST_SERVICE_LOGS, { query: { level: 'error', limit: LOG_LINES_MAX } }),
  ])
  return {
    ...{ nowMs: Date.now(), report, source, silent, unread, audits: audits?.audits, errors: logs?.logs },
    ...{ unregistered: unregistered?.answer.projects, signingKeys: signingKeys?.answer.signing_keys, ingestKeys: ingestKeys?.answer.ingest_keys },
  }
}
