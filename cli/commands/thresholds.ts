import type { AnswerOf, RequestInput } from '../../contract/operation.ts'
import {
  CREATE_OWN_THRESHOLD,
  CREATE_THRESHOLD,
  LIST_OWN_THRESHOLDS,
  LIST_THRESHOLDS,
  OWN_THRESHOLD_BUDGET,
  OWN_THRESHOLD_HISTORY,
  REMOVE_OWN_THRESHOLD,
  REMOVE_THRESHOLD,
  THRESHOLD_BUDGET,
  THRESHOLD_HISTORY,
  UPDATE_OWN_THRESHOLD,
  UPDATE_THRESHOLD,
} from '../../contract/thresholds.ts'
import { counted } from '../../metering/counted.ts'
import { confirm } from '../ask.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { type Connection, connect, requirePartnerId } from '../connection/connect.ts'
import { CliError, EXIT, usageError } from '../errors.ts'
import { fieldLines } from '../field-lines.ts'
import { call, callForList, callForText } from '../http-client.ts'
import { limitFrom } from '../limit-from.ts'
import { printAnswer } from '../output.ts'
import { plainTable } from '../plain-table.ts'
import type { Session } from '../session.ts'

export const thresholdsCommand: CommandRegistration = (program, run) => {
  const thresholds = program
    .command('thresholds')
    .description('values of usage at which your webhooks get a message; of the partner that you are, or of operators')
  withExamples(
    thresholds
      .command('list')
      .description('list the thresholds that you have set, oldest first')
      .action(() => run((session) => list(session))),
    ['meterline thresholds list', 'with their levels'],
  )
  withExamples(
    thresholds
      .command('set [metric]')
      .description('set a threshold on usage of a month, or with --id change one')
      .option('--id <id>', 'the threshold to change; what is not given stays as it is')
      .option('--partner <id>', 'for operators: the usage of all projects of this partner')
      .option('--project <id>', 'the usage of this project only')
      .option('--level <name=value...>', 'a level: a value such as 1000000, or a percentage of the budget such as 80%')
      .option('--budget <value>', 'what percentages refer to')
      .option('--active <boolean>', 'false: it is not evaluated')
      .option('--another', 'beside an existing one of the same metric and partner or project, each with its own messages')
      .action((metric: string | undefined, own: SetOptions) => run((session) => set(session, metric, own))),
    ['meterline thresholds set ai_tokens --budget 2000000 --level warning=80% used-up=100%', 'of all your projects together'],
    ['meterline thresholds set mcp_calls --project p_1 --level many=5000', 'of one project'],
    ['meterline thresholds set --id th_5b1d9c0e7f3a4826a9d2 --active false', 'pauses it'],
  )
  withExamples(
    thresholds
      .command('budget <id>')
      .description('show how much of a budget is used in the current month; without a budget, of the greatest level')
      .action((id: string) => run((session) => budget(session, id))),
    ['meterline thresholds budget th_5b1d9c0e7f3a4826a9d2', 'and up to when usage is counted'],
  )
  withExamples(
    thresholds
      .command('remove <id>')
      .description('remove a threshold; its history stays')
      .action((id: string) => run((session) => remove(session, id))),
    ['meterline thresholds remove th_5b1d9c0e7f3a4826a9d2', 'asks first'],
  )
  withExamples(
    thresholds
      .command('history <id>')
      .description('list when usage reached the levels of a threshold, and was below them again')
      .option('--month <month>', 'YYYY-MM')
      .option('--limit <n>', 'number of crossings', '100')
      .action((id: string, own: HistoryOptions) => run((session) => history(session, id, own))),
    ['meterline thresholds history th_5b1d9c0e7f3a4826a9d2 --month 2026-02', 'of one month'],
  )
}

interface SetOptions {
  readonly id?: string
  readonly partner?: string
  readonly project?: string
  readonly level?: readonly string[]
  readonly budget?: string
  readonly active?: string
  readonly another?: true
}

/** Throws CliError. */
async function list(session: Session): Promise<void> {
  const { connection, own } = open(session)
  const { answer, text } =
    own === undefined ? await callForText(connection, LIST_THRESHOLDS) : await callForText(connection, LIST_OWN_THRESHOLDS, { params: own })
  printAnswer(session, text, () => {
    if (answer.thresholds.length === 0) return ['There is no threshold.']
    const rows = answer.thresholds.map((each) => [
      each.id,
      each.project_id ?? each.partner_id,
      each.metric,
      levelsOf(each),
      each.budget ?? '',
      each.active ? 'active' : 'inactive',
    ])
    return [plainTable(['threshold', 'usage of', 'metric', 'levels', 'budget', 'state'], rows)]
  })
}

/** Throws CliError. */
async function set(session: Session, metric: string | undefined, options: SetOptions): Promise<void> {
  if (options.id !== undefined) return change(session, options.id, metric, options)
  if (metric === undefined) throw usageError('No metric is given.', 'Name the metric, such as ai_tokens, or with --id the threshold to change.')
  if (options.level === undefined) throw usageError('No level is given.', 'Add --level <name>=<value>, such as --level warning=1000000.')
  const { partner, project } = options
  const changes = changesOf(options)
  const { connection, own } = open(session, partner)
  if (own === undefined && (partner === undefined) === (project === undefined))
    throw usageError('An operator sets a threshold on the usage of one partner or of one project.', 'Give either --partner <id> or --project <id>.')
  if (options.another === undefined) await requireFirst(connection, own, { metric, partner, project })
  const fields = { metric, per: 'month', ...changes, ...(project === undefined ? {} : { project_id: project }) }
  const { answer, text } =
    own === undefined
      ? await callForText(connection, CREATE_THRESHOLD, { body: { ...fields, ...(partner === undefined ? {} : { partner_id: partner }) } as NewThreshold })
      : await callForText(connection, CREATE_OWN_THRESHOLD, { params: own, body: fields as NewThreshold })
  printAnswer(session, text, () => [`${answer.threshold.id} is set: ${metric}, ${levelsOf(answer.threshold)}.`])
}

interface Subject {
  readonly metric: string
  readonly partner: string | undefined
  readonly project: string | undefined
}

/** A second threshold would double every message. Throws CliError for one that exists. */
async function requireFirst(connection: Connection, own: Own, { metric, partner, project }: Subject): Promise<void> {
  const { thresholds } = own === undefined ? await call(connection, LIST_THRESHOLDS) : await call(connection, LIST_OWN_THRESHOLDS, { params: own })
  const isSubject = ({ partner_id, project_id }: Threshold) =>
    project === undefined ? project_id === null && partner_id === (own?.partnerId ?? partner) : project_id === project
  const known = thresholds.find((each) => each.metric === metric && isSubject(each))
  if (known === undefined) return
  throw new CliError(`There is a threshold on this usage: ${known.id}, ${levelsOf(known)}.`, EXIT.error, {
    code: 'THRESHOLD_EXISTS',
    next: `Change it with "meterline thresholds set --id ${known.id}", or add --another, which has messages of its own.`,
  })
}

async function change(session: Session, id: string, metric: string | undefined, options: SetOptions): Promise<void> {
  if (metric !== undefined || options.partner !== undefined || options.project !== undefined)
    throw usageError('The metric, the partner and the project of a threshold cannot be changed.', 'Set a new threshold, and remove this one.')
  const body = changesOf(options)
  if (Object.keys(body).length === 0) throw usageError('Nothing to change is given.', 'Add --level, --budget or --active.')
  const { connection, own } = open(session)
  const { answer, text } =
    own === undefined
      ? await callForText(connection, UPDATE_THRESHOLD, { params: { thresholdId: id }, body })
      : await callForText(connection, UPDATE_OWN_THRESHOLD, { params: { ...own, thresholdId: id }, body })
  printAnswer(session, text, () => [`${id} is changed: ${levelsOf(answer.threshold)}${answer.threshold.active ? '' : ', inactive'}.`])
}

/** Throws CliError. */
async function budget(session: Session, id: string): Promise<void> {
  const { connection, own } = open(session)
  const { answer, text } =
    own === undefined
      ? await callForText(connection, THRESHOLD_BUDGET, { params: { thresholdId: id } })
      : await callForText(connection, OWN_THRESHOLD_BUDGET, { params: { ...own, thresholdId: id } })
  const { month, used, limit, as_of, lag_seconds } = answer
  printAnswer(session, text, () =>
    fieldLines({ month, used, limit, 'complete up to': as_of === null ? null : `${as_of} (${counted(lag_seconds ?? 0, 'second')} ago)` }),
  )
}

/** Throws CliError. */
async function remove(session: Session, id: string): Promise<void> {
  const { connection, own } = open(session)
  await confirm(session, `Remove the threshold ${id}? It sends no more messages.`)
  const { answer, text } =
    own === undefined
      ? await callForText(connection, REMOVE_THRESHOLD, { params: { thresholdId: id } })
      : await callForText(connection, REMOVE_OWN_THRESHOLD, { params: { ...own, thresholdId: id } })
  printAnswer(session, text, () => [`${answer.id} is removed since ${answer.removed_at}.`])
}

interface HistoryOptions {
  readonly month?: string
  readonly limit: string
}

/** From as many pages as it takes. Throws CliError. */
async function history(session: Session, id: string, { month, limit }: HistoryOptions): Promise<void> {
  const rowsMax = limitFrom(limit, 'crossings')
  const { connection, own } = open(session)
  const list = { rows: 'history' as const, rowsMax, query: { month } }
  const { answer, text } =
    own === undefined
      ? await callForList(connection, THRESHOLD_HISTORY, { ...list, params: { thresholdId: id } })
      : await callForList(connection, OWN_THRESHOLD_HISTORY, { ...list, params: { ...own, thresholdId: id } })
  printAnswer(session, text, () => {
    if (answer.history.length === 0) return ['No level was reached.']
    const rows = answer.history.map((each) => [
      each.at,
      each.month,
      each.level,
      each.state === 'alarm' ? 'reached' : 'below again',
      each.value,
      each.message_id,
    ])
    return [plainTable(['at', 'month', 'level', 'state', 'value', 'message'], rows, [4])]
  })
}

type NewThreshold = NonNullable<RequestInput<typeof CREATE_THRESHOLD>['body']>
type Threshold = AnswerOf<typeof LIST_THRESHOLDS>['thresholds'][number]

type Own = { readonly partnerId: string } | undefined

/** `own` has the partner in the paths of a partner; it is undefined for operators. */
function open(session: Session, partner?: string) {
  const connection = connect(session, ['admin', 'partner'], { partner })
  return { connection, own: connection.credential.kind === 'partner' ? { partnerId: requirePartnerId(connection) } : undefined }
}

function changesOf({ level, budget, active }: SetOptions) {
  return {
    ...(level === undefined ? {} : { levels: level.map(levelFrom) }),
    ...(budget === undefined ? {} : { budget }),
    ...(active === undefined ? {} : { active: booleanOf(active) }),
  }
}

function levelFrom(text: string) {
  const at = text.lastIndexOf('=')
  const [name, value] = [text.slice(0, at), text.slice(at + 1)]
  if (at < 1 || value === '') throw usageError(`--level "${text}" is no level.`, 'Write a name and a value, such as warning=1000000 or warning=80%.')
  return value.endsWith('%') ? { name, percent_of_budget: Number(value.slice(0, -1)) } : { name, value }
}

function booleanOf(text: string): boolean {
  if (text !== 'true' && text !== 'false') throw usageError(`--active "${text}" is neither true nor false.`)
  return text === 'true'
}

function levelsOf({ levels }: Threshold): string {
  return levels.map((level) => `${level.name} at ${'value' in level ? level.value : `${level.percent_of_budget}%`}`).join(', ')
}
