import { Option } from 'commander'
import { type AuditDifference, type PartnershipDifference, RUN_AUDIT } from '../../contract/audits.ts'
import { AUDIT_TOPIC } from '../../contract/logs.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { counted } from '../../metering/counted.ts'
import { grouped } from '../../metering/grouped.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect } from '../connection/connect.ts'
import { CliError, EXIT } from '../errors.ts'
import { call } from '../http-client.ts'
import { printResult } from '../output.ts'
import { plainTable } from '../plain-table.ts'
import type { Session } from '../session.ts'

export const auditCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('audit')
      .description('recount raw events, compare them with the totals, and request repair of any differences')
      .option('--from <day>', 'first day, YYYY-MM-DD')
      .option('--to <day>', 'last day, YYYY-MM-DD')
      .option('--project <id>', 'one project only')
      .option('--topic', 'also read the whole Kafka topic again and compare it with the raw events')
      .addOption(new Option('--log', 'the former name of --topic').hideHelp())
      .action((own: AuditOptions) => run((session) => audit(session, own))),
    ['meterline audit --from 2026-01-01 --to 2026-01-31', 'recount January'],
    ['meterline audit --project prj_1 --json', 'one project, for a program'],
    ['meterline audit --topic', 'also compare the topic with the raw events'],
  )
}

interface AuditOptions {
  readonly from?: string
  readonly to?: string
  readonly project?: string
  /** Also read the topic again. */
  readonly topic?: boolean
  /** The former name of `topic`. */
  readonly log?: boolean
}

type Report = AnswerOf<typeof RUN_AUDIT>
type TopicReport = AnswerOf<typeof AUDIT_TOPIC>

/**
 * Recounts raw, compares it with the rollup and the partnership days, and with `topic` also compares the topic with raw. Throws
 * CliError when they differ, and when there is nothing of `project` to compare: for a mistyped id, 0 differences would be wrong.
 */
async function audit(session: Session, options: AuditOptions): Promise<void> {
  const { from, to, project } = options
  const endpoint = connect(session, ['admin'])
  const report = await call(endpoint, RUN_AUDIT, { body: { from, to, project_id: project } })
  if (project !== undefined && isEmpty(report)) throw new CliError(`no events of project ${project}${spanText(options)}`, EXIT.notFound)
  const topicReport = options.topic === true || options.log === true ? await call(endpoint, AUDIT_TOPIC) : undefined
  printResult(session, topicReport === undefined ? report : { ...report, log: topicReport }, () => [
    ...linesOf(report),
    ...(topicReport === undefined ? [] : linesOfTopic(topicReport)),
  ])
  if (report.differences.length + report.partnership_differences.length > 0) throw new CliError(problemOf(report))
  if (topicReport !== undefined && topicReport.differences.length > 0)
    throw new CliError(`The topic and raw differ on ${counted(topicReport.differences.length, 'record')}. The page docs/operating/kafka.md says what to do.`)
}

/** Neither raw nor the rollup holds anything. */
function isEmpty({ events_recounted, keys_compared, differences, partnership_differences }: Report): boolean {
  return events_recounted + keys_compared + differences.length + partnership_differences.length === 0
}

function spanText({ from, to }: AuditOptions): string {
  return `${from === undefined ? '' : ` from ${from}`}${to === undefined ? '' : ` through ${to}`}`
}

function problemOf({ differences, partnership_differences, truncated }: Report): string {
  const atLeast = truncated ? 'at least ' : ''
  const rollup =
    differences.length === 0 ? '' : ` Raw and rollup differ on ${atLeast}${differences.length} (project, day, metric): the log's owner repairs what it can.`
  const partnership =
    partnership_differences.length === 0
      ? ''
      : ` Raw and partnership days differ on ${atLeast}${partnership_differences.length} (partner, day, metric): they are being computed again.`
  return `${rollup}${partnership} Run the audit again in some seconds.`.trim()
}

function linesOf({ events_recounted, keys_compared, differences, partnership_differences }: Report): string[] {
  return [
    ...tableOf(differences),
    ...tableOf(partnership_differences),
    `${counted(differences.length, 'difference')} (${counted(events_recounted, 'event')} recounted, ${counted(keys_compared, 'daily total')} compared)`,
    `${counted(partnership_differences.length, 'difference')} in partnership days`,
  ]
}

function linesOfTopic({ logs, records_read, counted: ofTopic, duplicates, refused, passed_on, differences }: TopicReport): string[] {
  const since = logs.map(
    ({ log, first, first_received_at }) => `${log} from offset ${first}${first_received_at === null ? '' : `, received ${first_received_at}`}`,
  )
  const summary = `${grouped(ofTopic)} counted, ${counted(duplicates, 'duplicate')}, ${grouped(refused)} rejected, ${grouped(passed_on)} forwarded`
  return [
    ...since,
    ...tableOf(differences),
    `${counted(differences.length, 'difference')} between topic and raw (${counted(records_read, 'record')} read: ${summary})`,
  ]
}

type Difference = AuditDifference | PartnershipDifference | TopicReport['differences'][number]

function tableOf(differences: readonly Difference[]): string[] {
  const [first] = differences
  if (first === undefined) return []
  const columns = Object.keys(first)
  return [
    plainTable(
      columns,
      differences.map((difference) => columns.map((column) => String((difference as Record<string, unknown>)[column] ?? ''))),
    ),
  ]
}
