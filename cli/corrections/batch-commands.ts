import type { Command } from 'commander'
import { CLOSE_BATCH, LIST_BATCHES, REVERT_BATCH } from '../../contract/correction-batches.ts'
import { counted } from '../../metering/counted.ts'
import { grouped } from '../../metering/grouped.ts'
import { confirm } from '../ask.ts'
import { type RunCommand, withExamples } from '../command.ts'
import { connect } from '../connection/connect.ts'
import { CliError } from '../errors.ts'
import { call, callForList, callForText } from '../http-client.ts'
import { limitFrom } from '../limit-from.ts'
import { printAnswer, printNote } from '../output.ts'
import { flexible, plainTable } from '../plain-table.ts'
import type { Session } from '../session.ts'
import { readEvents } from './read-events.ts'
import { type Batch, openOrContinue, type Preview, sendEvents, type WindowOptions, waitFor } from './replace-usage.ts'

/** Adds the commands for batches to those for single corrections. */
export function addBatchCommands(corrections: Command, run: RunCommand): void {
  withExamples(
    corrections
      .command('replace')
      .description('replace the usage of some days of one month by the events of a file, in one step')
      .requiredOption('--project <id>', 'the project')
      .requiredOption('--metric <name>', 'the metric')
      .requiredOption('--from <day>', 'the first day, YYYY-MM-DD')
      .requiredOption('--to <day>', 'the last day, of the same month')
      .requiredOption('--reason <text>', 'why; the adjustment of a closed month shows it to the partner')
      .requiredOption('--file <file>', 'the events as NDJSON, with ids of their own')
      .option('--dry-run', 'send the events and show what would change; the batch stays open')
      .action((own: ReplaceOptions) => run((session) => replaceUsage(session, own))),
    [
      'meterline corrections replace --project prj_1 --metric ai_tokens --from 2026-01-10 --to 2026-01-11 --reason "reported ten times" --file events.ndjson',
      'show what would change, and ask',
    ],
  )
  withExamples(
    corrections
      .command('revert <batch-id>')
      .description('undo a replacement: what it changed counts again as before')
      .option('--dry-run', 'show what would change')
      .action((id: string, own: { dryRun?: boolean }) => run((session) => revertBatch(session, id, own.dryRun === true))),
    ['meterline corrections revert 5b1d9c0e-7f3a-4826-a9d2-0c6a4f1f7b10', 'show what would change, and ask'],
  )
  withExamples(
    corrections
      .command('batches')
      .description('list replacements with their states, the last opened first')
      .option('--project <id>', 'of one project')
      .option('--limit <n>', 'number of batches', '100')
      .action((own: { project?: string; limit: string }) => run((session) => listAllBatches(session, own))),
    ['meterline corrections batches --project prj_1', 'those that are open count nothing'],
  )
}

interface ReplaceOptions extends WindowOptions {
  readonly file: string
  readonly dryRun?: boolean
}

/** Opens or continues a batch, sends the events, shows what would change, asks, and closes. Interrupted anywhere, it can be called again. */
async function replaceUsage(session: Session, { file, dryRun: isDryRun = false, ...window }: ReplaceOptions): Promise<void> {
  const events = await readEvents(file)
  const connection = connect(session, ['admin'])
  const { batch, isNew } = await openOrContinue(connection, window)
  const { id } = batch
  printNote(session, `${isNew ? 'Opened' : 'Continuing'} the batch ${id}.`)
  const sent = await sendEvents(connection, id, events)
  const inFile = new Set(events.map(({ event_id }) => event_id)).size
  if (sent.events > inFile)
    printNote(session, `The batch has ${counted(sent.events, 'event')}, and the file ${inFile}: the others were sent before, and will count too.`)
  const { answer, text } = await callForText(connection, CLOSE_BATCH, { params: { batchId: id }, body: { dry_run: true } })
  if (isDryRun)
    return printAnswer(session, text, () => [
      ...linesOf(answer.preview),
      `The batch ${id} is open, and counts nothing. Run the command without --dry-run to close it.`,
    ])
  if (session.json !== true) for (const line of linesOf(answer.preview)) printNote(session, line)
  await confirm(session, `Replace the ${window.metric} of ${window.project} from ${window.from} to ${window.to}?`)
  const closed = await callForText(connection, CLOSE_BATCH, { params: { batchId: id }, body: {} })
  await waitFor(connection, id, ({ state }) => state !== 'open')
  printAnswer(session, closed.text, () => [`Replaced. To undo it: meterline corrections revert ${id}`])
}

async function revertBatch(session: Session, id: string, isDryRun: boolean): Promise<void> {
  const connection = connect(session, ['admin'])
  const { answer, text } = await callForText(connection, REVERT_BATCH, { params: { batchId: id }, body: { dry_run: true } })
  if (answer.batch.state === 'open') throw new CliError(`The batch ${id} is open: its events do not count, so there is nothing to revert.`)
  if (isDryRun) return printAnswer(session, text, () => linesOf(answer.preview))
  if (session.json !== true) for (const line of linesOf(answer.preview)) printNote(session, line)
  await confirm(session, `Revert the batch ${id}? A batch is reverted once.`)
  await call(connection, REVERT_BATCH, { params: { batchId: id }, body: {} })
  const batch = await waitFor(connection, id, ({ state }) => state === 'reverted')
  printAnswer(session, JSON.stringify({ batch }), () => ['Reverted.'])
}

/** From as many pages as it takes. Throws CliError. */
async function listAllBatches(session: Session, { project, limit }: { readonly project?: string; readonly limit: string }): Promise<void> {
  const list = { rows: 'batches' as const, rowsMax: limitFrom(limit, 'batches'), query: { project_id: project } }
  const { answer, text } = await callForList(connect(session, ['admin']), LIST_BATCHES, list)
  printAnswer(session, text, () => (answer.batches.length === 0 ? ['No usage was replaced.'] : [tableOf(answer.batches)]))
}

function tableOf(batches: readonly Batch[]): string {
  const rows = batches.map(({ id, state, project_id, metric, from, to, events, reason }) => [
    id,
    state,
    project_id,
    metric,
    `${from} to ${to}`,
    String(events),
    reason,
  ])
  return plainTable(['batch', 'state', 'project', 'metric', 'days', 'events', flexible('reason')], rows, [5])
}

function linesOf(preview: Preview | null): string[] {
  if (preview === null) return []
  const { month, days } = preview
  const shown = (value: { readonly text: string } | null) => (value === null ? '-' : grouped(value.text))
  const rows = [
    ...days.map(({ usage_date, before, after, difference }) => [usage_date, shown(before), shown(after), shown(difference)]),
    [month.month, shown(month.before), shown(month.after), shown(month.difference)],
  ]
  const billed = month.is_closed
    ? `${month.month} is closed: the next statement has the difference as an adjustment.`
    : `${month.month} is open: its own statement has the new value.`
  return [plainTable(['day', 'before', 'after', 'difference'], rows, [1, 2, 3]), billed]
}
