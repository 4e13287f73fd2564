import type { AnswerOf } from '../../contract/operation.ts'
import { DROP_REJECTED_EVENTS, LIST_REJECTED_EVENTS, RESEND_REJECTED_EVENTS } from '../../contract/rejected-events.ts'
import { counted } from '../../metering/counted.ts'
import { parseExactJson, stringifyExactJson } from '../../metering/exact-json.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect } from '../connection/connect.ts'
import { CliError, EXIT } from '../errors.ts'
import { callForList, callForText } from '../http-client.ts'
import { limitFrom } from '../limit-from.ts'
import { printAnswer } from '../output.ts'
import { flexible, plainTable } from '../plain-table.ts'
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
  const rowsMax = limitFrom(limit, 'events')
  const { answer, text } = await callForList(connect(session, ['admin']), LIST_REJECTED_EVENTS, { rows: 'rejected_events', rowsMax })
  printAnswer(session, text, () => {
    const { rejected_events } = answer
    if (rejected_events.length === 0) return ['No event was rejected.']
    const rows = rejected_events.map((each) => [each.id, each.received_at, linesOfEvent(each).join('\n')])
    return [plainTable(['id', 'received at', flexible('event')], rows)]
  })
}

type RejectedEvent = AnswerOf<typeof LIST_REJECTED_EVENTS>['rejected_events'][number]

/** What was sent, and below it why it does not count: what is needed to correct its emitter. */
function linesOfEvent({ project_id, event_id, original, reason, message, resent_at }: RejectedEvent): string[] {
  const quantity = quantityOf(original)
  const what = [`${project_id || 'no project'}, ${event_id || 'no event id'}`, ...(quantity === undefined ? [] : [quantity])].join(': ')
  return [what, `${reason}: ${message}`, ...(resent_at === null ? [] : [`resent at ${resent_at}`])]
}

/** Of an event as it was received, or of the data of a CloudEvent, with all digits. Undefined if it is not kept, or is no JSON. */
function quantityOf(original: string): string | undefined {
  let event: unknown
  try {
    event = parseExactJson(original)
  } catch {
    return undefined
  }
  const { metric, value } = { ...membersOf(membersOf(event)['data']), ...membersOf(event) }
  if (metric === undefined && value === undefined) return undefined
  return `${textOf(metric)} ${textOf(value)}`
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
}

/** A text that could be read as something else, such as an empty one, is quoted. */
function textOf(value: unknown): string {
  if (value === undefined) return 'nothing'
  return typeof value === 'string' && /^[\w.+-]+$/.test(value) ? value : (stringifyExactJson(value) ?? '')
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
