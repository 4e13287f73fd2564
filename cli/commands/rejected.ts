import { DROP_REJECTED_EVENTS, LIST_REJECTED_EVENTS, RESEND_REJECTED_EVENTS } from '../../contract/rejected-events.ts'
import { counted } from '../../metering/counted.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect } from '../connection/connect.ts'
import { CliError, EXIT } from '../errors.ts'
import { callForList, callForText } from '../http-client.ts'
import { printAnswer } from '../output.ts'
import { plainTable } from '../plain-table.ts'
import type { Session } from '../session.ts'

export const rejectedCommand: CommandRegistration = (program, run) => {
  const rejected = program.command('rejected').description('rejected events, which are kept with their reason')
  withExamples(
    rejected
      .command('list')
      .description('list the latest rejected events')
      .option('--limit <n>', 'number of events; default 100')
      .action((own: RejectedOptions) => run((session) => listRejected(session, own))),
    ['meterline rejected list --limit 20', 'the latest 20'],
  )
  withExamples(
    rejected
      .command('resend <id...>')
      .description('resubmit rejected events; they are treated as received now')
      .action((ids: string[]) => run((session) => resendRejected(session, ids))),
    ['meterline rejected resend <id> <id>', 'after the cause is fixed'],
  )
  withExamples(
    rejected
      .command('drop')
      .description('delete the rejected events of past months; they cannot be resent afterwards')
      .requiredOption('--before <month>', 'the first month that is kept, YYYY-MM; at most the current one')
      .action((own: DropOptions) => run((session) => dropRejected(session, own))),
    ['meterline rejected drop --before 2026-01', 'delete those of earlier months'],
  )
}

interface DropOptions {
  readonly before: string
}

/** Deletes the rejected events that were received before a month. Throws CliError. */
async function dropRejected(session: Session, { before }: DropOptions): Promise<void> {
  const { answer, text } = await callForText(connect(session, ['admin']), DROP_REJECTED_EVENTS, { body: { before } })
  printAnswer(session, text, () => {
    if (answer.months.length === 0) return [`No event was rejected before ${before}.`]
    return answer.months.map(({ month, events }) => `${month}: ${counted(events, 'rejected event')} dropped`)
  })
}

interface RejectedOptions {
  readonly limit?: string
}

/** Lists the latest rejected events, from as many pages as it takes. Throws CliError. */
async function listRejected(session: Session, { limit = '100' }: RejectedOptions): Promise<void> {
  if (!/^[1-9]\d{0,8}$/.test(limit)) throw new CliError(`"${limit}" is not a number of events. Give a number from 1 on.`)
  const { answer, text } = await callForList(connect(session, ['admin']), LIST_REJECTED_EVENTS, { rows: 'rejected_events', rowsMax: Number(limit) })
  printAnswer(session, text, () => {
    const { rejected_events } = answer
    if (rejected_events.length === 0) return ['No event was rejected.']
    const rows = rejected_events.map((each) => [each.id, each.reason, each.project_id, each.event_id, each.received_at, each.resent_at ?? 'no'])
    return [plainTable(['id', 'reason', 'project', 'event', 'received at', 'resent'], rows)]
  })
}

/** Resubmits rejected events. Throws CliError if one is rejected again or not found: as "not found" if nothing else failed. */
async function resendRejected(session: Session, ids: readonly string[]): Promise<void> {
  const { answer, text } = await callForText(connect(session, ['admin']), RESEND_REJECTED_EVENTS, { body: { ids: [...ids] } })
  const { events } = answer
  printAnswer(session, text, () => events.map(({ id, outcome, reason }) => `${id} ${outcome}${reason === null ? '' : ` (${reason})`}`))
  const failed = events.filter(({ outcome }) => outcome === 'rejected' || outcome === 'not_found')
  const exitCode = failed.every(({ outcome }) => outcome === 'not_found') ? EXIT.notFound : EXIT.error
  if (failed.length > 0)
    throw new CliError(`${failed.length} of ${counted(events.length, 'event')} ${failed.length === 1 ? 'was' : 'were'} not accepted.`, exitCode)
}
