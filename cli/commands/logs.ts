import { LIST_SERVICE_LOGS, LOG_LEVELS, LOG_LINES_MAX, LOG_SOURCES } from '../../contract/service-logs.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect } from '../connection/connect.ts'
import { callForText } from '../http-client.ts'
import { limitFrom } from '../limit-from.ts'
import { followLogs } from '../logs/follow-logs.ts'
import { linesOf } from '../logs/log-lines.ts'
import { notOneOf } from '../not-one-of.ts'
import { printNote } from '../output.ts'
import type { Session } from '../session.ts'

export const logsCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('logs [source]')
      .description(`show the latest log lines, without secrets; of one source: ${LOG_SOURCES.join(', ')}`)
      .option('--limit <n>', `number of lines, at most ${LOG_LINES_MAX}`, '100')
      .option('--level <level>', `lines of this level and above: ${LOG_LEVELS.join(', ')}`)
      .option('--follow', 'go on with new lines, through restarts and failures, until Ctrl-C')
      .action((source: string | undefined, own: LogsOptions) => run((session) => logs(session, source, own))),
    ['meterline logs', 'the latest lines of all sources'],
    ['meterline logs ingest --level warn', 'what went wrong while events were counted'],
    ['meterline logs api --follow --json', 'requests as they come, a line of JSON each'],
  )
}

interface LogsOptions {
  readonly limit: string
  readonly level?: string
  readonly follow?: boolean
}

/** Prints the log of the process that answers: with --json a document for each line. Throws CliError. */
async function logs(session: Session, givenSource: string | undefined, own: LogsOptions): Promise<void> {
  const source = choiceOf(LOG_SOURCES, givenSource, 'source')
  const level = choiceOf(LOG_LEVELS, own.level, '--level')
  const limit = limitFrom(own.limit, 'lines', LOG_LINES_MAX)
  const connection = connect(session, ['admin'])
  const query = { source, level }
  const { answer, text } = await callForText(connection, LIST_SERVICE_LOGS, { query: { ...query, limit } })
  const { host, pid, part, started_at } = answer.process
  for (const line of linesOf(session, answer, text)) process.stdout.write(`${line}\n`)
  printNote(session, `Of process ${pid} on ${host} (part ${part}, started at ${started_at}); other processes answer for themselves at their own addresses.`)
  if (own.follow === true) await followLogs(session, connection, { query, answer })
}

/** Whatever its case. Throws CliError that names the choices. */
function choiceOf<T extends string>(choices: readonly T[], given: string | undefined, name: string): T | undefined {
  if (given === undefined) return undefined
  const found = choices.find((choice) => choice === given.toLowerCase())
  if (found === undefined) throw notOneOf(`The ${name}`, given, choices)
  return found
}
