import { EXPLAIN_USAGE } from '../../contract/explain.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { parseMonth, periodOfMonth } from '../../metering/month.ts'
import type { CommandRegistration } from '../command.ts'
import { callForText, readEndpoint } from '../http-client.ts'
import { CliError, numbersAsText, type OutputOptions, printResult } from '../output.ts'
import { plainTable } from '../plain-table.ts'

export const explainCommand: CommandRegistration = (program, run) => {
  program
    .command('explain')
    .description('explain a usage figure: its rule, its events, the largest contributors, what arrived late')
    .requiredOption('--metric <name>', 'as events or the usage summary name it')
    .option('--partner <id>', 'explain a figure of this partnership')
    .option('--project <id>', 'explain a figure of this project')
    .option('--month <month>', 'YYYY-MM')
    .option('--from <day>', 'first day, YYYY-MM-DD')
    .option('--to <day>', 'last day, YYYY-MM-DD')
    .action((own: ExplainOptions) => run((environment, options) => explain(environment, { ...own, ...options })))
}

interface ExplainOptions extends OutputOptions {
  readonly partner?: string
  readonly project?: string
  readonly metric: string
  readonly month?: string
  readonly from?: string
  readonly to?: string
}

/** Explains a figure of a usage answer. Throws CliError. */
async function explain(environment: NodeJS.ProcessEnv, options: ExplainOptions): Promise<void> {
  const { partner, project, metric } = options
  if ((partner === undefined) === (project === undefined)) throw new CliError('Give either --partner <id> or --project <id>.')
  const { answer, text } = await callForText(readEndpoint(environment), EXPLAIN_USAGE, { query: { partner, project, metric, ...datesOf(options) } })
  printResult(options, numbersAsText(text), () => linesOf(answer, partner === undefined ? `project ${project}` : `partnership ${partner}`))
}

function datesOf({ month, from, to }: ExplainOptions): { start_date?: string | undefined; end_date?: string | undefined } {
  if (month === undefined) return { start_date: from, end_date: to }
  if (from !== undefined || to !== undefined) throw new CliError('Give --month, or --from and --to, not both.')
  const parsed = parseMonth(month)
  if (parsed === undefined) throw new CliError(`--month "${month}" is not a month as YYYY-MM.`)
  const { first, last } = periodOfMonth(parsed)
  return { start_date: first, end_date: last }
}

type Explanation = AnswerOf<typeof EXPLAIN_USAGE>

function linesOf(explanation: Explanation, subject: string): string[] {
  const { metric, unit, rule, value, peak_day, events, period, as_of, billing_status } = explanation
  return [
    `${metric} of ${subject}, ${period.start.slice(0, 10)} to ${period.end.slice(0, 10)}: ${value.text} ${unit}${peak_day === null ? '' : ` on ${peak_day}`}`,
    rule,
    events === 0 ? 'No events contribute to it.' : `${events} events, the first at ${explanation.first_event_at}, the last at ${explanation.last_event_at}.`,
    `Complete up to ${as_of ?? 'no time yet'}; ${billing_status}.`,
    ...contributorLines(explanation),
    ...lateLines(explanation.late_arrivals, unit),
  ]
}

function contributorLines({ contributors, peak_day, unit }: Explanation): string[] {
  if ('projects' in contributors) {
    const rows = contributors.projects.map(({ project_id, name, status, value, events }) => [project_id, name, status, value.text, events])
    const where = peak_day === null ? '' : ` on ${peak_day}`
    return tableOf(`The projects that contributed most${where}:`, ['project', 'name', 'status', unit, 'events'], rows)
  }
  const days = contributors.days.map(({ usage_date, value, events }) => [usage_date, value.text, events])
  const events = contributors.events.map(({ event_id, value, timestamp, received_at }) => [event_id, value.text, timestamp, received_at])
  return [
    ...tableOf('The days that contributed most:', ['day', unit, 'events'], days),
    ...tableOf('The largest events:', ['event', unit, 'timestamp', 'received'], events),
  ]
}

function lateLines({ events, value, latest }: Explanation['late_arrivals'], unit: string): string[] {
  if (events === 0) return ['', 'No event arrived after its day was over.']
  const rows = latest.map((event) => [
    event.received_at,
    event.project_id,
    event.event_id,
    event.value.text,
    event.timestamp,
    event.after_closing ? 'after the month was closed' : '',
  ])
  return tableOf(
    `${events} events arrived after their day was over and changed the figure by ${value.text} ${unit}. The last of them:`,
    ['received', 'project', 'event', unit, 'timestamp', ''],
    rows,
  )
}

function tableOf(title: string, head: string[], rows: readonly (readonly (string | number)[])[]): string[] {
  if (rows.length === 0) return []
  return ['', title, plainTable(head, rows)]
}
