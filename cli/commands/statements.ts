import type { AnswerOf } from '../../contract/operation.ts'
import { GET_OWN_STATEMENT, GET_STATEMENT, LIST_OWN_STATEMENTS, LIST_STATEMENTS } from '../../contract/statements.ts'
import { counted } from '../../metering/counted.ts'
import { GB_BYTES, GB_BYTES_DEFAULT } from '../../metering/gb-month.ts'
import { grouped } from '../../metering/grouped.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect, requirePartnerId } from '../connection/connect.ts'
import { usageError } from '../errors.ts'
import { callForText } from '../http-client.ts'
import { printAnswer } from '../output.ts'
import { flexible, plainTable } from '../plain-table.ts'
import type { Session } from '../session.ts'
import { byteDaysQuery, byteDaysSheet } from '../usage/byte-days-sheet.ts'
import { tableOf } from '../usage/table.ts'

export const statementsCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('statements')
      .description("list a partner's statements, or show one month")
      .option('--partner <id>', 'the partner; default: that of the credentials')
      .option('--month <month>', 'YYYY-MM')
      .option('--byte-days', 'with --month: also the sum of the days of each peak')
      .option('--gb-bytes <bytes>', `with --byte-days: how many bytes a GB has for people, ${GB_BYTES.join(' or ')}; default ${GB_BYTES_DEFAULT}`)
      .action((own: StatementsOptions) => run((session) => statements(session, own))),
    ['meterline statements', 'all months of the partner that you are'],
    ['meterline statements --partner p_1', 'of any partner, for finance'],
    ['meterline statements --partner p_1 --month 2026-01 --json', 'one month, with all digits'],
    ['meterline statements --month 2026-01 --byte-days', 'with the byte-days of the recount that was billed'],
  )
}

interface StatementsOptions {
  readonly partner?: string
  readonly month?: string
  readonly byteDays?: boolean
  readonly gbBytes?: string
}

/** All statements of a partner, or one of them. Quantities keep all their digits. Throws CliError. */
async function statements(session: Session, { month, byteDays, gbBytes, ...ids }: StatementsOptions): Promise<void> {
  if (byteDays === true && month === undefined) throw usageError('Byte-days are those of one month.', 'Name it with --month YYYY-MM.')
  const connection = connect(session, ['admin', 'partner'], ids)
  const partnerId = requirePartnerId(connection)
  const isOwn = connection.credential.kind === 'partner'
  if (month === undefined) {
    const { answer, text } = await callForText(connection, isOwn ? LIST_OWN_STATEMENTS : LIST_STATEMENTS, { params: { partnerId } })
    printAnswer(session, text, () => linesOfAll(answer))
    return
  }
  const query = byteDaysQuery({ byteDays, gbBytes })
  const { answer, text } = await callForText(connection, isOwn ? GET_OWN_STATEMENT : GET_STATEMENT, { params: { partnerId, month }, query })
  printAnswer(session, text, () => linesOfOne(answer))
}

type Statements = AnswerOf<typeof LIST_STATEMENTS>
type Statement = AnswerOf<typeof GET_STATEMENT>

function linesOfAll({ statements: listed }: Statements): string[] {
  const rows = listed.map(({ statement, totals }) => {
    const since = totals.flatMap(({ metric, unbilled }) => (unbilled === undefined || unbilled.text === '0' ? [] : [`${metric} ${grouped(unbilled.text)}`]))
    return [
      ...[statement.month, statement.status, statement.closed_at ?? ''],
      ...[statement.status === 'open' ? 'everything' : since.join('\n'), statement.sha256?.slice(0, 12) ?? ''],
    ]
  })
  return [plainTable(['month', 'status', 'closed at', flexible('unbilled since'), 'sha256'], rows)]
}

function linesOfOne({ statement, totals, projects, adjustments, byte_days }: Statement): string[] {
  const rows = totals.map(({ metric, unit, value, peak_day, unbilled }) => [
    metric,
    unit,
    grouped(value.text),
    peak_day ?? '',
    unbilled === undefined ? '' : grouped(unbilled.text),
  ])
  const state = statement.closed_at === null ? 'open: as metered so far' : `closed at ${statement.closed_at}, sha256 ${statement.sha256}`
  const lines = [
    `${statement.month} is ${state} (complete up to ${statement.as_of ?? 'no time yet'})`,
    plainTable(['metric', 'unit', 'value', 'peak day', 'unbilled'], rows, [2, 4]),
  ]
  if (byte_days !== undefined) lines.push(tableOf(byteDaysSheet(byte_days), { charts: false }))
  lines.push(`${counted(new Set(projects.map(({ project_id }) => project_id)).size, 'project')}; "meterline export" writes every line`)
  if (adjustments.length === 0) return [...lines, 'no adjustments']
  const corrections = adjustments
    .slice(0, ADJUSTMENTS_SHOWN_MAX)
    .map((each) => [each.for_month, each.project_id ?? 'all', each.metric, each.kind, grouped(each.value.text), each.reason ?? ''])
  const more = adjustments.length - ADJUSTMENTS_SHOWN_MAX
  return [
    ...lines,
    plainTable(['for month', 'project', 'metric', 'kind', 'value', flexible('reason')], corrections, [4]),
    ...(more > 0 ? [`and ${more} more ${more === 1 ? 'adjustment' : 'adjustments'}`] : []),
  ]
}

const ADJUSTMENTS_SHOWN_MAX = 50
