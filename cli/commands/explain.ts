import { z } from 'zod'
import { parseMonth, periodOfMonth } from '../../metering/month.ts'
import type { CommandRegistration } from '../command.ts'
import { ask, readServiceAddress } from '../http-client.ts'
import { CliError, type OutputOptions, printResult } from '../output.ts'
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

/** Tells how a number of a usage answer came to be. Throws CliError. */
async function explain(environment: NodeJS.ProcessEnv, options: ExplainOptions): Promise<void> {
  const { partner, project, metric } = options
  if ((partner === undefined) === (project === undefined)) throw new CliError('Say whose number it is: either --partner <id> or --project <id>.')
  const query = Object.entries({ partner, project, metric, ...datesOf(options) }).filter((pair): pair is [string, string] => pair[1] !== undefined)
  const told = await ask(readServiceAddress(environment), `/admin/v1/explain?${new URLSearchParams(query)}`)
  const story = Story.parse(told)
  printResult(options, told, () => [...linesOf(story, partner === undefined ? `project ${project}` : `partnership ${partner}`)])
}

function datesOf({ month, from, to }: ExplainOptions): { start_date?: string | undefined; end_date?: string | undefined } {
  if (month === undefined) return { start_date: from, end_date: to }
  if (from !== undefined || to !== undefined) throw new CliError('Give --month, or --from and --to, not both.')
  const parsed = parseMonth(month)
  if (parsed === undefined) throw new CliError(`--month "${month}" is not a month as YYYY-MM.`)
  const { first, last } = periodOfMonth(parsed)
  return { start_date: first, end_date: last }
}

const Event = z.object({ event_id: z.string(), value: z.string(), timestamp: z.string(), received_at: z.string() })
const Days = z.object({ days: z.array(z.object({ usage_date: z.string(), value: z.string(), events: z.string() })), events: z.array(Event) })
const Projects = z.object({
  projects: z.array(z.object({ project_id: z.string(), name: z.string(), status: z.string(), value: z.string(), events: z.string() })),
})

const Story = z.object({
  metric: z.string(),
  unit: z.string(),
  rule: z.string(),
  value: z.string(),
  peak_day: z.string().nullable(),
  events: z.string(),
  first_event_at: z.string().nullable(),
  last_event_at: z.string().nullable(),
  contributors: z.union([Projects, Days]),
  late_arrivals: z.object({
    events: z.string(),
    value: z.string(),
    latest: z.array(Event.extend({ project_id: z.string(), after_closing: z.boolean() })),
  }),
  period: z.object({ start: z.string(), end: z.string() }),
  as_of: z.string().nullable(),
  billing_status: z.string(),
})
type Story = z.output<typeof Story>

function linesOf(story: Story, whose: string): string[] {
  const { metric, unit, rule, value, peak_day, events, period, as_of, billing_status } = story
  return [
    `${metric} of ${whose}, ${period.start.slice(0, 10)} to ${period.end.slice(0, 10)}: ${value} ${unit}${peak_day === null ? '' : ` on ${peak_day}`}`,
    rule,
    events === '0' ? 'There is no event behind it.' : `${events} events, the first at ${story.first_event_at}, the last at ${story.last_event_at}.`,
    `Complete up to ${as_of ?? 'no time yet'}; ${billing_status}.`,
    ...contributorLines(story),
    ...lateLines(story.late_arrivals, unit),
  ]
}

function contributorLines({ contributors, peak_day, unit }: Story): string[] {
  if ('projects' in contributors) {
    const rows = contributors.projects.map(({ project_id, name, status, value, events }) => [project_id, name, status, value, events])
    const where = peak_day === null ? '' : ` on ${peak_day}`
    return tableOf(`The projects that contributed most${where}:`, ['project', 'name', 'status', unit, 'events'], rows)
  }
  const days = contributors.days.map(({ usage_date, value, events }) => [usage_date, value, events])
  const events = contributors.events.map(({ event_id, value, timestamp, received_at }) => [event_id, value, timestamp, received_at])
  return [
    ...tableOf('The days that contributed most:', ['day', unit, 'events'], days),
    ...tableOf('The largest events:', ['event', unit, 'timestamp', 'received'], events),
  ]
}

function lateLines({ events, value, latest }: Story['late_arrivals'], unit: string): string[] {
  if (events === '0') return ['', 'No event arrived after its day was over.']
  const rows = latest.map((event) => [
    event.received_at,
    event.project_id,
    event.event_id,
    event.value,
    event.timestamp,
    event.after_closing ? 'after the month was closed' : '',
  ])
  return tableOf(
    `${events} events arrived after their day was over and moved the number by ${value} ${unit}. The last of them:`,
    ['received', 'project', 'event', unit, 'timestamp', ''],
    rows,
  )
}

function tableOf(title: string, head: string[], rows: readonly string[][]): string[] {
  if (rows.length === 0) return []
  return ['', title, plainTable(head, rows)]
}
