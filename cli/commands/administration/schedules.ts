import { hasByteDays } from '../../../contract/export-formats.ts'
import type { AnswerOf, RequestInput } from '../../../contract/operation.ts'
import {
  CREATE_SCHEDULE,
  DELETE_SCHEDULE,
  GET_SCHEDULE,
  LIST_EXECUTIONS,
  LIST_SCHEDULES,
  LOG_ROWS_MAX,
  RUN_SCHEDULE,
  UPDATE_SCHEDULE,
} from '../../../contract/schedules.ts'
import { confirm } from '../../ask.ts'
import { type CommandRegistration, withExamples } from '../../command.ts'
import { connect } from '../../connection/connect.ts'
import { usageError } from '../../errors.ts'
import { fieldLines } from '../../field-lines.ts'
import { callForText } from '../../http-client.ts'
import { limitFrom } from '../../limit-from.ts'
import { printAnswer } from '../../output.ts'
import { plainTable } from '../../plain-table.ts'
import type { Session } from '../../session.ts'
import { addExportOptions, type ChangedExportOptions, changedExport, changesExport, type ExportOptions, exportFrom } from './schedule-export-options.ts'

export const schedulesCommand: CommandRegistration = (program, run) => {
  const schedules = program.command('schedules').description('calls and deliveries that the service makes at set times')
  withExamples(
    schedules
      .command('list')
      .description('list all schedules, newest first')
      .action(() => run(listSchedules)),
    ['meterline schedules list', 'and when each runs next'],
  )
  withExamples(
    schedules
      .command('get <id>')
      .description('show a schedule')
      .action((id: string) => run((session) => getSchedule(session, id))),
    [`meterline schedules get ${EXAMPLE_ID}`, 'all its fields'],
  )
  withExamples(
    addExportOptions(addFields(schedules.command('create <name>').description('create a schedule that calls a URL or delivers an export'))).action(
      (name: string, own: FieldOptions) => run((session) => createSchedule(session, name, own)),
    ),
    [
      `meterline schedules create nightly --cron "0 3 * * *" --zone Europe/Berlin --function-url https://functions.example.com/sync --header 'authorization: Bearer \${{secrets.SYNC_TOKEN}}'`,
      'the secret is read at each run',
    ],
    ['meterline schedules create poll --cron "30 seconds" --function-url https://functions.example.com/poll --method GET', 'more often than every minute'],
    ['meterline schedules create finance --cron "0 6 4 * *" --export focus --period last-month --format parquet --folder finance', 'below EXPORT_DIR'],
    [
      'meterline schedules create usage --cron "0 2 * * *" --export usage --period yesterday --format csv --put https://bucket.example.com/in',
      'whole days that changed',
    ],
  )
  withExamples(
    addExportOptions(addFields(schedules.command('update <id>').description('change a schedule; what is not given stays as it is')))
      .option('--all-partners', 'of the export: all partners again')
      .option('--name <name>', 'the new name')
      .option('--active <boolean>', 'false pauses the schedule, true resumes it')
      .action((id: string, own: UpdateOptions) => run((session) => updateSchedule(session, id, own))),
    [`meterline schedules update ${EXAMPLE_ID} --active false`, 'pauses it'],
    [`meterline schedules update ${EXAMPLE_ID} --cron "0 4 * * *"`, 'another time'],
    [`meterline schedules update ${EXAMPLE_ID} --format csv --folder finance/csv`, 'another format and folder of its export'],
  )
  withExamples(
    schedules
      .command('delete <id>')
      .description('delete a schedule; a run in progress is completed')
      .action((id: string) => run((session) => deleteSchedule(session, id))),
    [`meterline schedules delete ${EXAMPLE_ID}`, 'asks first'],
  )
  withExamples(
    schedules
      .command('logs <id>')
      .description('list the executions of a schedule, newest first')
      .option('--limit <count>', 'at most so many; default: 50')
      .option('--offset <count>', 'skip so many of the newest ones')
      .action((id: string, own: LogOptions) => run((session) => listExecutions(session, id, own))),
    [`meterline schedules logs ${EXAMPLE_ID} --limit 10`, 'the last ten'],
  )
  withExamples(
    schedules
      .command('run <id>')
      .description('run a schedule now, beside its due times; the outcome is in its log')
      .action((id: string) => run((session) => runSchedule(session, id))),
    [`meterline schedules run ${EXAMPLE_ID}`, 'also while it is paused'],
  )
}

const EXAMPLE_ID = '5f0f4c3e-8a41-4c55-9d6b-3f7f0c1c2b11'

interface FieldOptions extends ExportOptions {
  readonly cron?: string
  readonly zone?: string
  readonly functionUrl?: string
  readonly method?: string
  readonly header?: readonly string[]
  readonly body?: string
}

interface UpdateOptions extends FieldOptions, ChangedExportOptions {
  readonly name?: string
  readonly active?: string
}

interface LogOptions {
  readonly limit?: string
  readonly offset?: string
}

function addFields<C extends ReturnType<Parameters<CommandRegistration>[0]['command']>>(command: C): C {
  return command
    .option('--cron <schedule>', 'five fields (minute, hour, day of the month, month, day of the week), or "N seconds"')
    .option('--zone <zone>', 'of the IANA database; default: UTC')
    .option('--function-url <url>', 'the URL to call')
    .option('--method <method>', 'GET, POST, PUT, PATCH or DELETE; default: POST')
    .option('--header <line...>', `"name: value"; the value may contain $\{{secrets.KEY}}`)
    .option('--body <json>', 'a JSON object to send')
}

/** Throws CliError. */
async function listSchedules(session: Session): Promise<void> {
  const { answer, text } = await callForText(connect(session, ['admin']), LIST_SCHEDULES)
  printAnswer(session, text, () => {
    if (answer.schedules.length === 0) return ['There is no schedule.']
    const rows = answer.schedules.map((each) => [
      ...[each.id, each.name, each.cronSchedule, each.timezone, targetOf(each), each.isActive ? (each.nextRun ?? 'never') : 'paused'],
      lastRunOf(each),
    ])
    return [plainTable(['schedule', 'name', 'due', 'zone', 'does', 'next run', 'last run'], rows)]
  })
}

/** Throws CliError. */
async function getSchedule(session: Session, id: string): Promise<void> {
  const { answer, text } = await callForText(connect(session, ['admin']), GET_SCHEDULE, { params: { scheduleId: id } })
  printAnswer(session, text, () => linesOf(answer))
}

/** Throws CliError. */
async function createSchedule(session: Session, name: string, own: FieldOptions): Promise<void> {
  const { cron } = own
  if (cron === undefined) throw usageError('--cron is missing.', 'Give five fields, such as --cron "0 3 * * *", or --cron "30 seconds".')
  const action = exportFrom(own)
  const body: RequestInput<typeof CREATE_SCHEDULE>['body'] = {
    name,
    cronSchedule: cron,
    ...fieldsFrom(own),
    ...(action === undefined ? {} : { export: action }),
  }
  const { answer, text } = await callForText(connect(session, ['admin']), CREATE_SCHEDULE, { body })
  printAnswer(session, text, () => linesOf(answer))
}

/** Throws CliError. */
async function updateSchedule(session: Session, id: string, own: UpdateOptions): Promise<void> {
  if (Object.keys(own).length === 0) throw usageError('Nothing to change is given.', 'See "meterline schedules update --help".')
  const { name, cron, active, functionUrl } = own
  const connection = connect(session, ['admin'])
  const stored = changesExport(own) ? (await callForText(connection, GET_SCHEDULE, { params: { scheduleId: id } })).answer.export : undefined
  const body: RequestInput<typeof UPDATE_SCHEDULE>['body'] = {
    // A schedule does one of both: what the other one had is removed.
    ...(stored === undefined ? {} : { export: changedExport(stored, own), functionUrl: null, body: null }),
    ...(stored === undefined && functionUrl !== undefined ? { export: null } : {}),
    ...fieldsFrom(own),
    ...(name === undefined ? {} : { name }),
    ...(cron === undefined ? {} : { cronSchedule: cron }),
    ...(active === undefined ? {} : { isActive: booleanOf(active) }),
  }
  const { answer, text } = await callForText(connection, UPDATE_SCHEDULE, { params: { scheduleId: id }, body })
  printAnswer(session, text, () => linesOf(answer))
}

/** Throws CliError. */
async function deleteSchedule(session: Session, id: string): Promise<void> {
  const connection = connect(session, ['admin'])
  await confirm(session, `Delete the schedule ${id}? Its log is no longer shown.`)
  const { answer, text } = await callForText(connection, DELETE_SCHEDULE, { params: { scheduleId: id } })
  printAnswer(session, text, () => [answer.message])
}

/** Throws CliError. */
async function listExecutions(session: Session, id: string, { limit, offset }: LogOptions): Promise<void> {
  const query = { ...(limit === undefined ? {} : { limit: limitFrom(limit, 'executions', LOG_ROWS_MAX) }), ...(offset === undefined ? {} : { offset }) }
  const { answer, text } = await callForText(connect(session, ['admin']), LIST_EXECUTIONS, { params: { scheduleId: id }, query })
  printAnswer(session, text, () => {
    if (answer.logs.length === 0) return ['There is no execution.']
    const rows = answer.logs.map((each) => [
      ...[each.executedAt, each.dueAt, each.success ? 'success' : 'failure', `${each.statusCode ?? ''}`, `${each.durationMs} ms`, each.id, each.message],
    ])
    return [plainTable(['executed', 'due', 'outcome', 'status', 'took', 'run', 'message'], rows), `${answer.logs.length} of ${answer.totalCount}`]
  })
}

/** Throws CliError. */
async function runSchedule(session: Session, id: string): Promise<void> {
  const { answer, text } = await callForText(connect(session, ['admin']), RUN_SCHEDULE, { params: { scheduleId: id } })
  printAnswer(session, text, () => [`The run ${answer.id} was requested. "meterline schedules logs ${id}" shows its outcome.`])
}

/** Throws CliError. */
function fieldsFrom({ zone, functionUrl, method, header, body }: FieldOptions) {
  return {
    ...(zone === undefined ? {} : { timezone: zone }),
    ...(functionUrl === undefined ? {} : { functionUrl }),
    ...(method === undefined ? {} : { httpMethod: method.toUpperCase() as 'POST' }),
    ...(header === undefined ? {} : { headers: Object.fromEntries(header.map(headerOf)) }),
    ...(body === undefined ? {} : { body: jsonOf(body) }),
  }
}

function headerOf(line: string): [string, string] {
  const [, name, value] = /^([^:]+):\s*(.*)$/s.exec(line) ?? []
  if (name === undefined || value === undefined) throw usageError(`--header "${line}" is not "name: value".`)
  return [name.trim(), value]
}

function jsonOf(text: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Record<string, unknown>
  } catch {
    // Reported below, like JSON of another kind.
  }
  throw usageError('--body is not a JSON object.')
}

function booleanOf(text: string): boolean {
  if (text !== 'true' && text !== 'false') throw usageError(`--active "${text}" is neither true nor false.`)
  return text === 'true'
}

type ShownSchedule = AnswerOf<typeof GET_SCHEDULE>

function targetOf({ httpMethod, functionUrl, export: action }: ShownSchedule): string {
  if (action === null) return `${httpMethod} ${functionUrl}`
  const version = action.focus === undefined ? '' : ` ${action.focus}`
  const byteDays = hasByteDays(action) ? ' with byte-days' : ''
  const owner = action.partner === undefined ? '' : ` of ${action.partner}`
  return `export ${action.what}${version}${byteDays} of ${action.period}${owner} as ${action.format} to ${'folder' in action.to ? action.to.folder : action.to.url}`
}

function lastRunOf({ lastExecutedAt, lastSuccess, lastMessage }: ShownSchedule): string {
  if (lastExecutedAt === null) return 'never'
  return lastSuccess === true ? `${lastExecutedAt}, succeeded` : `${lastExecutedAt}, failed: ${lastMessage}`
}

function linesOf(schedule: ShownSchedule): string[] {
  const headers = Object.entries(schedule.headers).map(([name, value]) => `${name}: ${value}`)
  return fieldLines({
    id: schedule.id,
    name: schedule.name,
    due: `${schedule.cronSchedule} (${schedule.timezone})`,
    does: targetOf(schedule),
    headers: headers.length === 0 ? null : headers.join(', '),
    body: schedule.body === null ? null : JSON.stringify(schedule.body),
    state: schedule.isActive ? 'active' : 'paused',
    'next run': schedule.nextRun,
    'last run': lastRunOf(schedule),
  })
}
