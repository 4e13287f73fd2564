import { LIST_PARTNER_PROJECTS } from '../../contract/partner-projects.ts'
import { GET_PARTNERSHIP_USAGE, GET_PROJECT_USAGE } from '../../contract/usage.ts'
import { GB_BYTES, GB_BYTES_DEFAULT } from '../../metering/gb-month.ts'
import { LABEL_SETS_MAX, OTHER_LABEL } from '../../metering/labels.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { type Connection, connect, requirePartnerId } from '../connection/connect.ts'
import { usageError } from '../errors.ts'
import { callForList, callForText } from '../http-client.ts'
import { notOneOf } from '../not-one-of.ts'
import { printAnswer, printNote } from '../output.ts'
import { datesOf, type GivenPeriod, noteOfFuture } from '../period-options.ts'
import type { Session } from '../session.ts'
import { type ByteDaysQuery, byteDaysQuery, byteDaysSheet } from '../usage/byte-days-sheet.ts'
import { csvOf } from '../usage/csv.ts'
import { groupsSheet } from '../usage/groups-sheet.ts'
import { byDay, byMetric, byProject, type Figures, figuresOfPartnership, figuresOfProject, type Sheet } from '../usage/sheets.ts'
import { tableOf } from '../usage/table.ts'

const WAYS = ['metric', 'day', 'project'] as const
const FORMATS = ['table', 'csv'] as const

export const usageCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('usage [project]')
      .description('show the usage of the partnership, or of one project, deleted projects included')
      .option('--month <month>', 'YYYY-MM')
      .option('--from <day>', 'first day, YYYY-MM-DD; default: 7 days before the last one')
      .option('--to <day>', 'last day, YYYY-MM-DD; default: today (UTC)')
      .option('--by <what>', WAYS.join(', '), 'metric')
      .option('--group-by <labels>', 'by labels instead: the key of a label that metrics declare, or up to three with commas')
      .option('--byte-days', 'the sum of the days of each peak metric instead, which adds up over projects and over parts of a month')
      .option('--gb-bytes <bytes>', `with --byte-days: how many bytes a GB has for people, ${GB_BYTES.join(' or ')}; default ${GB_BYTES_DEFAULT}`)
      .option('--format <format>', FORMATS.join(', '), 'table')
      .option('--partner <id>', 'the partner; default: that of the credentials')
      .action((project: string | undefined, own: UsageOptions) => run((session) => usage(session, project, own))),
    ['meterline usage --month 2026-01', 'January of the whole partnership'],
    ['meterline usage --month 2026-01 --by project --format csv', 'for a spreadsheet'],
    ['meterline usage prj_1 --from 2026-01-01 --to 2026-01-07 --by day', 'one project, day by day'],
    ['meterline usage --month 2026-01 --byte-days', 'database and file storage by the day, and in GB-months'],
    ['meterline usage --month 2026-01 --group-by model', 'each metric that declares the label model, by model'],
    ['meterline usage --json', 'the answer of the service, with all digits'],
  )
}

interface UsageOptions extends GivenPeriod {
  readonly by: string
  readonly groupBy?: string
  readonly byteDays?: boolean
  readonly gbBytes?: string
  readonly format: string
  readonly partner?: string
}

/** Shows usage. What is not data, such as how complete it is, is printed on stderr. Throws CliError. */
async function usage(session: Session, project: string | undefined, own: UsageOptions): Promise<void> {
  const by = WAYS.find((each) => each === own.by)
  if (by === undefined) throw notOneOf('--by', own.by, WAYS)
  if (!FORMATS.some((each) => each === own.format)) throw notOneOf('--format', own.format, FORMATS, 'With --json you get JSON.')
  if (by === 'project' && project !== undefined)
    throw usageError('--by project is for the whole partnership; a project is named as well.', 'Leave one of them out.')
  if (own.byteDays === true && by !== 'metric') throw usageError(`--byte-days is a sum for each metric; --by ${by} is given as well.`, 'Leave one of them out.')
  if (own.groupBy !== undefined && (by !== 'metric' || own.byteDays === true))
    throw usageError('--group-by is a table of its own; another one is asked for as well.', 'Leave out --by and --byte-days.')
  const dates = datesOf(own)
  const connection = connect(session, ['partner', 'project'], { partner: own.partner, project })
  const { sheet, figures, text } = await read(connection, {
    by,
    project: project ?? (connection.credential.kind === 'project' ? connection.projectId : undefined),
    dates,
    more: { ...byteDaysQuery(own), ...(own.groupBy === undefined ? {} : { group_by: own.groupBy }) },
  })
  printAnswer(session, text, () => (own.format === 'csv' ? csvOf(sheet) : [fittingTable(sheet)]))
  if (project === undefined && connection.credential.kind === 'partner' && connection.projectId !== undefined)
    printNote(session, `This is the whole partnership. Of the linked project: meterline usage ${connection.projectId}`)
  for (const line of footer(figures, own.format === 'csv' ? undefined : sheet)) printNote(session, line)
}

/** With charts on a terminal that is wide enough for them. */
function fittingTable(sheet: Sheet): string {
  const { isTTY, columns } = process.stdout
  const table = tableOf(sheet, { charts: isTTY === true })
  return isTTY === true && table.indexOf('\n') > columns ? tableOf(sheet, { charts: false }) : table
}

interface Asked {
  readonly by: (typeof WAYS)[number]
  readonly project: string | undefined
  readonly more: ByteDaysQuery & { readonly group_by?: string }
  readonly dates: { readonly start_date?: string | undefined; readonly end_date?: string | undefined }
}

async function read(connection: Connection, { by, project, dates, more }: Asked): Promise<{ sheet: Sheet; figures: Figures; text: string }> {
  const partnerId = requirePartnerId(connection)
  if (by === 'project') {
    const { answer, text } = await callForList(connection, LIST_PARTNER_PROJECTS, { rows: 'projects', params: { partnerId }, query: dates })
    return { sheet: byProject(answer.projects), figures: { ...answer, subject: 'the partnership', metrics: [], days: [] }, text }
  }
  const { figures, text } =
    project === undefined
      ? await callForText(connection, GET_PARTNERSHIP_USAGE, { params: { partnerId }, query: { ...dates, include: 'daily', ...more } }).then((found) => ({
          figures: figuresOfPartnership(found.answer),
          text: found.text,
        }))
      : await callForText(connection, GET_PROJECT_USAGE, { params: { partnerId, projectId: project }, query: { ...dates, ...more } }).then((found) => ({
          figures: figuresOfProject(found.answer),
          text: found.text,
        }))
  if (figures.groups !== undefined) return { sheet: groupsSheet(figures.groups), figures, text }
  if (figures.byteDays !== undefined) return { sheet: byteDaysSheet(figures.byteDays), figures, text }
  return { sheet: by === 'day' ? byDay(figures) : byMetric(figures), figures, text }
}

/** Whether the figures can still change, and up to when they are complete. */
function footer({ subject, period, as_of, billing_status, groups = [] }: Figures, sheet: Sheet | undefined): string[] {
  const future = noteOfFuture(period)
  const complete = as_of === null ? 'not known to be complete up to any time' : `complete up to ${as_of}`
  const { columns, rows } = sheet ?? { columns: [], rows: [] }
  const empty = columns.filter(({ isEmpty }) => isEmpty).map(({ name }) => name)
  return [
    `Usage of ${subject}, ${period.start.slice(0, 10)} to ${period.end.slice(0, 10)}: ${complete}, ${billing_status}.`,
    ...(future === undefined ? [] : [future]),
    ...(rows.length > 0 && empty.length > 0 ? [`Without usage, and not shown: ${empty.join(', ')}.`] : []),
    ...(groups.some(({ adds_up }) => !adds_up) ? ['Peaks do not add up: each group has its own greatest day.'] : []),
    ...(groups.some(({ truncated }) => truncated) ? [`Only the ${LABEL_SETS_MAX} greatest groups are shown; ${OTHER_LABEL} is all others.`] : []),
    ...(rows.some(({ peaks = [] }) => peaks.length > 0) ? ['▲ marks the day of a peak.'] : []),
  ]
}
