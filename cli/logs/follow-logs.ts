import { setTimeout as wait } from 'node:timers/promises'
import type { RequestInput } from '../../contract/operation.ts'
import { LIST_SERVICE_LOGS, LOG_LINES_MAX } from '../../contract/service-logs.ts'
import type { Connection } from '../connection/connect.ts'
import { CliError } from '../errors.ts'
import { callForText } from '../http-client.ts'
import { printNote } from '../output.ts'
import type { Session } from '../session.ts'
import { gapLine, type LogsAnswer, linesOf } from './log-lines.ts'

/** Well below the limit of requests of a credential. */
const ASK_EVERY_MS = 2_000
/** More processes than answer at one address; the cursors of the ones that answered last are sent. */
const CURSORS_MAX = 20

interface Followed {
  readonly query: RequestInput<typeof LIST_SERVICE_LOGS>['query']
  /** The answer that was printed already. */
  readonly answer: LogsAnswer
}

/**
 * Prints the lines that follow, without end. A failure that can pass is noted once and waited out. Lines that may be missing are
 * noted as a gap, with --json as a line {"gap","process"} of the stream. Throws CliError for a failure that does not pass.
 */
export async function followLogs(session: Session, connection: Connection, { query, answer }: Followed): Promise<never> {
  const cursors = new Map([[instanceOf(answer.cursor), answer.cursor]])
  let failing = false
  let isFull = false
  for (;;) {
    if (!isFull) await wait(ASK_EVERY_MS)
    const after = [...cursors.values()].slice(-CURSORS_MAX).join(',')
    const reply = await callForText(connection, LIST_SERVICE_LOGS, { query: { ...query, limit: LOG_LINES_MAX, after } }).catch((error: unknown) => {
      if (!(error instanceof CliError) || !error.retryable) throw error
      if (!failing) printNote(session, `${error.message} Following goes on when it answers.`)
      return undefined
    })
    failing = reply === undefined
    if (reply === undefined) {
      isFull = false
      continue
    }
    const { cursor, gap, process: answering, logs } = reply.answer
    if (gap !== null) noteGap(session, gap, answering)
    for (const line of linesOf(session, reply.answer, reply.text)) process.stdout.write(`${line}\n`)
    cursors.delete(instanceOf(cursor))
    cursors.set(instanceOf(cursor), cursor)
    isFull = logs.length === LOG_LINES_MAX
  }
}

function noteGap(session: Session, gap: NonNullable<LogsAnswer['gap']>, answering: LogsAnswer['process']): void {
  if (session.json === true) process.stdout.write(`${gapLine(gap, answering)}\n`)
  const { host, pid, started_at } = answering
  if (gap === 'dropped') printNote(session, `A gap: process ${pid} on ${host} logged more lines than it keeps. Ask for one source, or a higher --level.`)
  else printNote(session, `A gap: process ${pid} on ${host}, started at ${started_at}, answers now; the last lines of the one before may be missing.`)
}

/** A cursor is the instance of a process and a number. */
function instanceOf(cursor: string): string {
  return cursor.slice(0, cursor.indexOf('.'))
}
