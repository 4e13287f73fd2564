import { EXPLAIN_OWN_USAGE, EXPLAIN_USAGE } from '../../contract/explain.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { counted } from '../../metering/counted.ts'
import { grouped } from '../../metering/grouped.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect, requirePartnerId } from '../connection/connect.ts'
import { correctedValue } from '../corrections/corrected-value.ts'
import { usageError } from '../errors.ts'
import { callForText } from '../http-client.ts'
import { printAnswer } from '../output.ts'
import { datesOf, type GivenPeriod, noteOfFuture } from '../period-options.ts'
import { type FlexibleColumn, flexible, plainTable } from '../plain-table.ts'
import type { Session } from '../session.ts'

export const explainCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('explain')
      .description('explain a usage figure: its rule, its events, the largest contributors, what arrived late')
      .requiredOption('--metric <name>', 'as events or the usage summary name it')
      .option('--partner <id>', 'explain a figure of this partnership')
      .option('--project <id>', 'explain a figure of this project')
      .option('--month <month>', 'YYYY-MM')
      .option('--from <day>', 'first day, YYYY-MM-DD')
      .option('--to <day>', 'last day, YYYY-MM-DD')
      .action((own: ExplainOptions) => run((session) => explain(session, own))),
    ['meterline explain --metric mcp_calls --partner p_1 --month 2026-01', 'why a partnership has this figure'],
    ['meterline explain --metric storage_bytes --project prj_1 --from 2026-01-01 --to 2026-01-07', 'a project, some days'],
  )
}

interface ExplainOptions extends GivenPeriod {
  readonly partner?: string
  readonly project?: string
  readonly metric: string
}

/** Explains a figure of a usage answer; a partner explains its own ones. Throws CliError. */
async function explain(session: Session, options: ExplainOptions): Promise<void> {
  const { partner, project, metric } = options
  const connection = connect(session, ['admin', 'partner'], { partner })
  const query = { metric, ...datesOf(options) }
  if (connection.credential.kind === 'partner') {
    const params = { partnerId: requirePartnerId(connection) }
    const { answer, text } = await callForText(connection, EXPLAIN_OWN_USAGE, { params, query: { ...query, project_id: project } })
    printAnswer(session, text, () => linesOf(answer, project === undefined ? `partnership ${params.partnerId}` : `project ${project}`))
    return
  }
  if ((partner === undefined) === (project === undefined)) throw usageError('Give either --partner <id> or --project <id>.')
  const { answer, text } = await callForText(connection, EXPLAIN_USAGE, { query: { ...query, partner, project } })
  printAnswer(session, text, () => linesOf(answer, partner === undefined ? `project ${project}` : `partnership ${partner}`))
}

type Explanation = AnswerOf<typeof EXPLAIN_USAGE>

function linesOf(explanation: Explanation, subject: string): string[] {
  const { metric, unit, rule, value, peak_day, events, period, as_of, billing_status } = explanation
  const future = noteOfFuture(period)
  return [
    `${metric} of ${subject}, ${period.start.slice(0, 10)} to ${period.end.slice(0, 10)}: ${grouped(value.text)} ${unit}${peak_day === null ? '' : ` on ${peak_day}`}`,
    rule,
    ...(future === undefined ? [] : [future]),
    events === 0
      ? 'No events contribute to it.'
      : `${counted(events, 'event')}, the first at ${explanation.first_event_at}, the last at ${explanation.last_event_at}.`,
    `Complete up to ${as_of ?? 'no time yet'}; ${billing_status}.`,
    ...contributorLines(explanation),
    ...lateLines(explanation.late_arrivals, unit),
    ...correctionLines(explanation.corrections, unit),
  ]
}

function contributorLines({ contributors, peak_day, unit }: Explanation): string[] {
  if ('projects' in contributors) {
    const rows = contributors.projects.map(({ project_id, name, status, value, events }) => [project_id, name, status, grouped(value.text), grouped(events)])
    const where = peak_day === null ? '' : ` on ${peak_day}`
    return tableOf(`The projects that contributed most${where}:`, ['project', flexible('name'), 'status', unit, 'events'], rows)
  }
  const days = contributors.days.map(({ usage_date, value, events }) => [usage_date, grouped(value.text), grouped(events)])
  const events = contributors.events.map(({ event_id, value, timestamp, received_at }) => [event_id, grouped(value.text), timestamp, received_at])
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
    grouped(event.value.text),
    event.timestamp,
    event.after_closing ? 'after the month was closed' : '',
  ])
  return tableOf(
    `${counted(events, 'event')} arrived after the day was over and changed the figure by ${grouped(value.text)} ${unit}. The last of them:`,
    ['received', 'project', 'event', unit, 'timestamp', flexible('')],
    rows,
  )
}

function correctionLines({ all, voids, latest }: Explanation['corrections'], unit: string): string[] {
  const rows = latest.map(({ received_at, project_id, corrects, before, after, text, reason, after_closing }) => [
    ...[received_at, project_id, corrects, correctedValue(before, text), correctedValue(after, text)],
    `${reason}${after_closing ? ' (after the month was closed)' : ''}`,
  ])
  const title = `${counted(all, 'correction')} of events, ${voids} of them ${voids === 1 ? 'a void' : 'voids'}, in ${unit}. The last of them:`
  return tableOf(title, ['received', 'project', 'event', 'before', 'after', flexible('reason')], rows)
}

function tableOf(title: string, head: readonly (string | FlexibleColumn)[], rows: readonly (readonly (string | number)[])[]): string[] {
  if (rows.length === 0) return []
  return ['', title, plainTable(head, rows)]
}
