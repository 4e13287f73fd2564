import { GET_HEALTH_REPORT, REPORT_RANGE_NAMES, type ReportRange } from '../../contract/health-report.ts'
import { LIST_SERVICE_LOGS, LOG_LINES_MAX } from '../../contract/service-logs.ts'
import { counted } from '../../metering/counted.ts'
import { paintWith, usesColours } from '../colours.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect } from '../connection/connect.ts'
import { findInAutomation } from '../diagnose/find-in-automation.ts'
import { findInBilling } from '../diagnose/find-in-billing.ts'
import { findInIngest } from '../diagnose/find-in-ingest.ts'
import { findInProcess } from '../diagnose/find-in-process.ts'
import { bySeverity, CATEGORIES, type Finding, needsPerson, SEVERITIES } from '../diagnose/finding.ts'
import { databaseLines, errorLines, findingLines, metricsLines, overviewLines } from '../diagnose/print-report.ts'
import { readState, type State } from '../diagnose/read-state.ts'
import { CliError } from '../errors.ts'
import { callForText } from '../http-client.ts'
import { notOneOf } from '../not-one-of.ts'
import { printAnswer, printResult } from '../output.ts'
import type { Session } from '../session.ts'

export const diagnoseCommand: CommandRegistration = (program, run) => {
  const diagnose = program.command('diagnose').description('what is wrong with the service, why, and what to do; exits with 1 when a person has to act')
  withExamples(
    diagnose
      .command('report', { isDefault: true })
      .description('the health of every part, and all findings; the default')
      .action(() => run(report)),
    ['meterline diagnose', 'everything'],
    ['meterline diagnose --json', 'one document: ok, findings and the report that they are drawn from'],
  )
  withExamples(
    diagnose
      .command('metrics')
      .description('events received and rejected, and the lag of each log')
      .option('--range <range>', REPORT_RANGE_NAMES.join(', '), '24h')
      .action((own: { range: string }) => run((session) => metrics(session, own))),
    ['meterline diagnose metrics --range 7d', 'of the last week'],
  )
  withExamples(
    diagnose
      .command('advisor')
      .description('the findings only')
      .option('--severity <severity>', `only those: ${SEVERITIES.join(', ')}`)
      .option('--category <category>', `only those: ${CATEGORIES.join(', ')}`)
      .action((own: AdvisorOptions) => run((session) => advisor(session, own))),
    ['meterline diagnose advisor --severity critical', 'what cannot wait'],
    ['meterline diagnose advisor --category billing --json', 'for a program'],
  )
  withExamples(
    diagnose
      .command('db')
      .description('the disks and the largest tables of the database')
      .action(() => run(database)),
    ['meterline diagnose db', 'how full it is, and with what'],
  )
  withExamples(
    diagnose
      .command('logs')
      .description('the errors that the process logged, those of one message together')
      .action(() => run(loggedErrors)),
    ['meterline diagnose logs', 'what failed, how often and when last'],
  )
}

interface AdvisorOptions {
  readonly severity?: string
  readonly category?: string
}

async function report(session: Session): Promise<void> {
  const state = await readState(connect(session, ['admin']), '24h')
  const findings = findingsOf(state)
  const paint = paintWith(usesColours(session.environment, process.stdout))
  printResult(session, { ok: !findings.some(needsPerson), findings, report: state.report, source: state.source ?? null }, () => [
    ...overviewLines(state),
    '',
    ...(findings.length === 0 ? ['Nothing is wrong.'] : findingLines(findings, paint)),
  ])
  requireNobodyNeeded(findings)
}

async function advisor(session: Session, own: AdvisorOptions): Promise<void> {
  const severity = choiceOf(SEVERITIES, own.severity, '--severity')
  const category = choiceOf(CATEGORIES, own.category, '--category')
  const all = findingsOf(await readState(connect(session, ['admin']), '24h'))
  const findings = all.filter((each) => (severity ?? each.severity) === each.severity && (category ?? each.category) === each.category)
  const paint = paintWith(usesColours(session.environment, process.stdout))
  printResult(session, { ok: !findings.some(needsPerson), findings }, () => (findings.length === 0 ? ['No finding.'] : findingLines(findings, paint)))
  requireNobodyNeeded(findings)
}

async function metrics(session: Session, { range }: { range: string }): Promise<void> {
  const { answer, text } = await requestReport(session, choiceOf(REPORT_RANGE_NAMES, range, '--range'))
  printAnswer(session, text, () => metricsLines({ report: answer }))
}

async function database(session: Session): Promise<void> {
  const { answer, text } = await requestReport(session, '1h')
  printAnswer(session, text, () => databaseLines({ report: answer }))
}

async function loggedErrors(session: Session): Promise<void> {
  const { answer, text } = await callForText(connect(session, ['admin']), LIST_SERVICE_LOGS, { query: { level: 'error', limit: LOG_LINES_MAX } })
  printAnswer(session, text, () => errorLines(answer.logs))
}

function requestReport(session: Session, range: ReportRange | undefined) {
  return callForText(connect(session, ['admin']), GET_HEALTH_REPORT, { query: { range } })
}

function findingsOf(state: State): Finding[] {
  return [...findInIngest(state), ...findInBilling(state), ...findInAutomation(state), ...findInProcess(state)].sort(bySeverity)
}

/** Throws CliError, so that a script notices. */
function requireNobodyNeeded(findings: readonly Finding[]): void {
  const needed = findings.filter(needsPerson).length
  if (needed > 0) throw new CliError(`${counted(needed, 'finding')} ${needed === 1 ? 'needs' : 'need'} a person.`, undefined, { code: 'FINDINGS' })
}

/** Throws CliError that names the choices. */
function choiceOf<T extends string>(choices: readonly T[], given: string | undefined, name: string): T | undefined {
  if (given === undefined) return undefined
  const found = choices.find((choice) => choice === given)
  if (found === undefined) throw notOneOf(name, given, choices)
  return found
}
