import { GET_SOURCE, LIST_LOGS, REPARTITION_TOPIC, RESET_LOG, USE_SOURCE } from '../../contract/logs.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect } from '../connection/connect.ts'
import { callForText } from '../http-client.ts'
import { printAnswer } from '../output.ts'
import { flexible, plainTable } from '../plain-table.ts'
import type { Session } from '../session.ts'

export const logCommand: CommandRegistration = (program, run) => {
  const log = program.command('log').description('the event logs: one for each partition of the Kafka topic')
  withExamples(
    log
      .command('list')
      .description('list the logs with their offsets, reconciled position and owner')
      .action(() => run(listLogs)),
    ['meterline log list', 'offsets, position and owner of each log'],
  )
  withExamples(
    log
      .command('reset <log>')
      .description('recover from an incident: read this log ("all": every log) again from the earliest event that still exists')
      .action((name: string) => run((session) => resetLog(session, name))),
    ['meterline log reset usage/3', 'read one log again from its earliest event'],
    ['meterline log reset all', 'every log'],
  )
  withExamples(
    log
      .command('repartition')
      .description('continue after the topic has got more partitions')
      .action(() => run(repartitionLogs)),
    ['meterline log repartition', 'after the topic got more partitions'],
  )
  const source = log.command('source').description('the source in force: only the events that arrive over HTTP, or those of one topic, are counted')
  withExamples(
    source
      .command('show', { isDefault: true })
      .description('show the source in force, since when, and up to where it was read')
      .action(() => run(showSource)),
    ['meterline log source', 'which source is counted'],
  )
  withExamples(
    source
      .command('use')
      .description('switch to the source that the called server is configured with; if a switch was interrupted, run it again')
      .option('--leave-unread', 'leave a topic although later events there are not counted while another source is in force')
      .action(({ leaveUnread = false }: { leaveUnread?: boolean }) => run((session) => useSource(session, leaveUnread))),
    ['meterline log source use', 'switch to the source of the called server'],
  )
}

/** Shows the source in force. Throws CliError. */
async function showSource(session: Session): Promise<void> {
  const { answer, text } = await callForText(connect(session, ['admin']), GET_SOURCE)
  printAnswer(session, text, () => sourceLines(answer))
}

/** Switches to the source of the called server. Throws CliError. */
async function useSource(session: Session, leaveUnread: boolean): Promise<void> {
  const { answer, text } = await callForText(connect(session, ['admin']), USE_SOURCE, { body: { leave_unread: leaveUnread } })
  printAnswer(session, text, () => [
    ...sourceLines(answer),
    ...(answer.left === null
      ? []
      : [`${answer.left.source} was left; it was read up to here, and continues here if it is used again:`, ...readLines(answer.left.logs)]),
  ])
}

function sourceLines({ source, in_force, since, configured, logs }: AnswerOf<typeof GET_SOURCE>): string[] {
  if (source === null) return [`no source has been used yet; this server is configured with ${configured}`]
  const state = in_force
    ? `${source} is in force since ${since}`
    : `a switch to ${source} has begun at ${since} and not ended: nothing is counted. Run "meterline log source use"`
  const elsewhere =
    configured === source ? [] : [`this server is configured with ${configured}; it accepts no events. To switch to it, run "meterline log source use"`]
  return [state, ...readLines(logs), ...elsewhere]
}

function readLines(logs: AnswerOf<typeof GET_SOURCE>['logs']): string[] {
  return logs.map(({ log, settled_through, as_of }) => `  ${log} was read through offset ${settled_through}, complete up to ${as_of ?? 'unknown'}`)
}

/** Lists the logs with their offsets, position and owner. Throws CliError. */
async function listLogs(session: Session): Promise<void> {
  const { answer, text } = await callForText(connect(session, ['admin']), LIST_LOGS)
  const { logs } = answer
  printAnswer(session, text, () => {
    const rows = logs.map(({ log, begin, end, settled_through, as_of, owner, released }) => [
      ...[log, `${begin} … ${end - 1}`, settled_through, as_of ?? 'unknown', released ? 'none' : owner],
    ])
    return [plainTable(['log', 'offsets', 'counted through', 'complete up to', flexible('owner')], rows)]
  })
}

/** Recovers from an incident. Throws CliError. */
async function resetLog(session: Session, log: string): Promise<void> {
  const { answer, text } = await callForText(connect(session, ['admin']), RESET_LOG, { params: { log } })
  printAnswer(session, text, () => linesOf(answer))
}

/** Pins the number of partitions that the topic has now. Throws CliError. */
async function repartitionLogs(session: Session): Promise<void> {
  const { answer, text } = await callForText(connect(session, ['admin']), REPARTITION_TOPIC)
  printAnswer(session, text, () => linesOf(answer))
}

function linesOf({ topic, incarnation, starts }: AnswerOf<typeof RESET_LOG>): string[] {
  return [`${topic} now has incarnation ${incarnation}`, ...starts.map((start, partition) => `  partition ${partition} is read from offset ${start}`)]
}
