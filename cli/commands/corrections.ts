import { LIST_CORRECTIONS, type SentCorrection, SUBMIT_CORRECTIONS } from '../../contract/corrections.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect } from '../connection/connect.ts'
import { addBatchCommands } from '../corrections/batch-commands.ts'
import { correctedValue } from '../corrections/corrected-value.ts'
import { CliError, EXIT } from '../errors.ts'
import { callForList, callForText } from '../http-client.ts'
import { limitFrom } from '../limit-from.ts'
import { printAnswer } from '../output.ts'
import { flexible, plainTable } from '../plain-table.ts'
import type { Session } from '../session.ts'

export const correctionsCommand: CommandRegistration = (program, run) => {
  const corrections = program.command('corrections').description('void, amend or replace usage that was counted, also of closed months')
  withExamples(
    corrections
      .command('void <event-id>')
      .description('an event no longer counts')
      .requiredOption('--project <id>', 'the project of the event')
      .requiredOption('--reason <text>', 'why; the adjustment of a closed month shows it to the partner')
      .option('--id <id>', 'an id of its own; default: derived, so that the same correction again is a duplicate')
      .action((event: string, own: OneCorrection) => run((session) => correct(session, { ...own, event, action: 'void' }))),
    ['meterline corrections void req-7f3a --project prj_1 --reason "sent by a test"', 'take one event off the bill'],
  )
  withExamples(
    corrections
      .command('amend <event-id>')
      .description('an event counts with another value')
      .requiredOption('--project <id>', 'the project of the event')
      .requiredOption('--value <value>', 'the value that counts from now on')
      .requiredOption('--reason <text>', 'why; the adjustment of a closed month shows it to the partner')
      .option('--id <id>', 'an id of its own; default: derived, so that the same correction again is a duplicate')
      .action((event: string, own: OneCorrection) => run((session) => correct(session, { ...own, event, action: 'amend' }))),
    ['meterline corrections amend req-7f3a --project prj_1 --value 150 --reason "reported ten times"', 'with 150 instead of what was sent'],
  )
  withExamples(
    corrections
      .command('list')
      .description("list the corrections of a project's events with the values before and after, the last received first")
      .requiredOption('--project <id>', 'the project')
      .option('--from <day>', 'first day of the corrected events, YYYY-MM-DD')
      .option('--to <day>', 'last day of the corrected events, YYYY-MM-DD')
      .option('--limit <n>', 'number of corrections', '100')
      .action((own: ListOptions) => run((session) => listCorrections(session, own))),
    ['meterline corrections list --project prj_1 --from 2026-01-01 --to 2026-01-31', 'what was changed of January'],
  )
  addBatchCommands(corrections, run)
}

interface OneCorrection {
  readonly project: string
  readonly reason: string
  readonly value?: string
  readonly id?: string
}

/** Sends one correction. Throws CliError if it is rejected. */
async function correct(
  session: Session,
  { event, action, project, reason, value, id }: OneCorrection & { readonly event: string; readonly action: SentCorrection['action'] },
): Promise<void> {
  const correction = {
    project_id: project,
    corrects: event,
    action,
    reason,
    ...(value === undefined ? {} : { value }),
    ...(id === undefined ? {} : { event_id: id }),
  }
  const { answer, text } = await callForText(connect(session, ['admin']), SUBMIT_CORRECTIONS, { body: { corrections: [correction] } })
  const [rejected] = answer.rejected
  if (rejected !== undefined)
    throw new CliError(`${event} is not corrected (${rejected.reason}): ${rejected.message}`, EXIT.error, { code: 'CORRECTION_REJECTED' })
  printAnswer(session, text, () => [lineOf(answer, event)])
}

function lineOf(answer: AnswerOf<typeof SUBMIT_CORRECTIONS>, event: string): string {
  if ('duplicates' in answer && answer.duplicates > 0)
    return `${event} was corrected in this way before, and nothing was changed. To do it again after another correction, give --id.`
  return 'duplicates' in answer ? `${event} is corrected.` : `The correction of ${event} is durable and will be counted.`
}

interface ListOptions {
  readonly project: string
  readonly from?: string
  readonly to?: string
  readonly limit: string
}

/** From as many pages as it takes. Throws CliError. */
async function listCorrections(session: Session, { project, from, to, limit }: ListOptions): Promise<void> {
  const list = { rows: 'corrections' as const, rowsMax: limitFrom(limit, 'corrections'), query: { project_id: project, from, to } }
  const { answer, text } = await callForList(connect(session, ['admin']), LIST_CORRECTIONS, list)
  printAnswer(session, text, () => (answer.corrections.length === 0 ? ['No event was corrected.'] : [tableOf(answer)]))
}

function tableOf({ corrections }: AnswerOf<typeof LIST_CORRECTIONS>): string {
  const rows = corrections.map(({ received_at, usage_date, metric, corrects, before, after, text, reason }) => [
    ...[received_at, usage_date, metric, corrects, correctedValue(before, text), correctedValue(after, text), reason],
  ])
  return plainTable(['received', 'day', 'metric', 'event', 'before', 'after', flexible('reason')], rows, [4, 5])
}
