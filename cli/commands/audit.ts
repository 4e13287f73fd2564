import { Option } from 'commander'
import { z } from 'zod'
import type { CommandRegistration } from '../command.ts'
import { call, readServiceAddress } from '../http-client.ts'
import { CliError, EXIT, type OutputOptions, printResult } from '../output.ts'
import { plainTable } from '../plain-table.ts'

export const auditCommand: CommandRegistration = (program, run) => {
  program
    .command('audit')
    .description('recount raw events, compare them with the totals, and request repair of any differences')
    .option('--from <day>', 'first day, YYYY-MM-DD')
    .option('--to <day>', 'last day, YYYY-MM-DD')
    .option('--project <id>', 'one project only')
    .option('--topic', 'also read the whole Kafka topic again and compare it with the raw events')
    .addOption(new Option('--log', 'the former name of --topic').hideHelp())
    .action((own: AuditOptions) => run((environment, options) => audit(environment, { ...own, ...options })))
}

interface AuditOptions extends OutputOptions {
  readonly from?: string
  readonly to?: string
  readonly project?: string
  /** Also read the topic again. */
  readonly topic?: boolean
  /** The former name of `topic`. */
  readonly log?: boolean
}

/**
 * Recounts raw, compares it with the rollup and the partnership days, and with `topic` also compares the topic with raw. Throws
 * CliError when they differ, and when there is nothing of `project` to compare: for a mistyped id, 0 differences would be wrong.
 */
async function audit(environment: NodeJS.ProcessEnv, options: AuditOptions): Promise<void> {
  const { from, to, project } = options
  const address = readServiceAddress(environment)
  const report = AuditReport.parse(await call(address, 'POST', '/admin/v1/audits', { from, to, project_id: project }))
  if (project !== undefined && isOfNothing(report)) throw new CliError(`no events of project ${project}${spanText(options)}`, EXIT.notFound)
  const logReport = options.topic === true || options.log === true ? LogAuditReport.parse(await call(address, 'POST', '/admin/v1/logs/audits')) : undefined
  printResult(options, logReport === undefined ? report : { ...report, log: logReport }, () => [
    ...linesOf(report),
    ...(logReport === undefined ? [] : linesOfLog(logReport)),
  ])
  if (report.differences.length + report.partnership_differences.length > 0) throw new CliError(problemOf(report))
  if (logReport !== undefined && logReport.differences.length > 0) throw new CliError(`The log and raw differ on ${logReport.differences.length} records.`)
}

const AuditReport = z.object({
  events_recounted: z.number(),
  keys_compared: z.number(),
  truncated: z.boolean(),
  differences: z.array(z.record(z.string(), z.string())),
  partnership_differences: z.array(z.record(z.string(), z.string())),
})

const LogAuditReport = z.object({
  logs: z.array(z.object({ log: z.string(), first: z.number(), through: z.number(), first_received_at: z.string().nullable() })),
  records_read: z.number(),
  counted: z.number(),
  duplicates: z.number(),
  refused: z.number(),
  passed_on: z.number(),
  differences: z.array(z.record(z.string(), z.union([z.string(), z.number()]))),
})

/** Raw holds no event of it and no key, and the rollup nothing else. */
function isOfNothing({ events_recounted, keys_compared, differences, partnership_differences }: z.output<typeof AuditReport>): boolean {
  return events_recounted + keys_compared + differences.length + partnership_differences.length === 0
}

function spanText({ from, to }: AuditOptions): string {
  return `${from === undefined ? '' : ` from ${from}`}${to === undefined ? '' : ` through ${to}`}`
}

function problemOf({ differences, partnership_differences, truncated }: z.output<typeof AuditReport>): string {
  const atLeast = truncated ? 'at least ' : ''
  const rollup =
    differences.length === 0 ? '' : ` Raw and rollup differ on ${atLeast}${differences.length} (project, day, metric): the log's owner repairs what it can.`
  const partnership =
    partnership_differences.length === 0
      ? ''
      : ` Raw and partnership days differ on ${atLeast}${partnership_differences.length} (partner, day, metric): they are computed anew.`
  return `${rollup}${partnership} Ask again in some seconds.`.trim()
}

function linesOf({ events_recounted, keys_compared, differences, partnership_differences }: z.output<typeof AuditReport>): string[] {
  return [
    ...tableOf(differences),
    ...tableOf(partnership_differences),
    `${differences.length} differences (${events_recounted} events recounted, ${keys_compared} daily totals compared)`,
    `${partnership_differences.length} differences in partnership days`,
  ]
}

function linesOfLog({ logs, records_read, counted, duplicates, refused, passed_on, differences }: z.output<typeof LogAuditReport>): string[] {
  const since = logs.map(
    ({ log, first, first_received_at }) => `${log} from offset ${first}${first_received_at === null ? '' : `, received ${first_received_at}`}`,
  )
  const summary = `${counted} counted, ${duplicates} duplicates, ${refused} refused, ${passed_on} passed on`
  return [...since, ...tableOf(differences), `${differences.length} differences between log and raw (${records_read} records read: ${summary})`]
}

function tableOf(differences: readonly Record<string, string | number>[]): string[] {
  const [first] = differences
  if (first === undefined) return []
  const columns = Object.keys(first)
  return [
    plainTable(
      columns,
      differences.map((difference) => columns.map((column) => difference[column] ?? '')),
    ),
  ]
}
