import { DEFINE_METRIC, LIST_METRICS, LIST_OWN_METRICS } from '../../../contract/metrics.ts'
import type { RequestInput } from '../../../contract/operation.ts'
import { METRIC_KINDS } from '../../../metering/metrics.ts'
import { type CommandRegistration, withExamples } from '../../command.ts'
import { connect, requirePartnerId } from '../../connection/connect.ts'
import { fieldLines } from '../../field-lines.ts'
import { callForText } from '../../http-client.ts'
import { printAnswer } from '../../output.ts'
import { flexible, plainTable } from '../../plain-table.ts'
import type { Session } from '../../session.ts'

export const metricsCommand: CommandRegistration = (program, run) => {
  const metrics = program.command('metrics').description('the metrics under which usage is counted')
  withExamples(
    metrics
      .command('list')
      .description('list all metrics, by name')
      .action(() => run((session) => listMetrics(session))),
    ['meterline metrics list', 'the documented metrics and those that are defined'],
  )
  withExamples(
    metrics
      .command('define <metric>')
      .description('define a metric, or change its definition; once an event has counted, kind and unit stay as they are')
      .requiredOption('--kind <kind>', METRIC_KINDS.join(', '))
      .requiredOption('--unit <unit>', 'in the singular, such as image')
      .requiredOption('--description <text>', 'what it measures')
      .option('--display <name>', 'the name for people; default: the name of the metric')
      .action((name: string, own: DefineOptions) => run((session) => defineMetric(session, name, own))),
    ['meterline metrics define images --kind cumulative --unit image --description "Images generated"', 'values are added up'],
    ['meterline metrics define logins --kind count --unit login --description "Logins of users"', 'each event counts 1'],
  )
}

interface DefineOptions {
  readonly kind: string
  readonly unit: string
  readonly description: string
  readonly display?: string
}

/** Throws CliError. */
async function listMetrics(session: Session): Promise<void> {
  const connection = connect(session, ['partner', 'admin'])
  const { answer, text } =
    connection.credential.kind === 'admin'
      ? await callForText(connection, LIST_METRICS)
      : await callForText(connection, LIST_OWN_METRICS, { params: { partnerId: requirePartnerId(connection) } })
  printAnswer(session, text, () => {
    const rows = answer.metrics.map(({ name, kind, unit, display, documented, description }) => [
      name,
      kind,
      unit,
      display,
      documented ? 'yes' : '',
      description,
    ])
    return [plainTable(['metric', 'kind', 'unit', flexible('shown as'), 'documented', flexible('description')], rows)]
  })
}

/** Throws CliError. */
async function defineMetric(session: Session, name: string, { kind, unit, description, display }: DefineOptions): Promise<void> {
  // A wrong kind is reported by the service itself.
  const body = { kind, unit, description, ...(display === undefined ? {} : { display }) } as RequestInput<typeof DEFINE_METRIC>['body']
  const { answer, text } = await callForText(connect(session, ['admin']), DEFINE_METRIC, { params: { name }, body })
  const { documented: _, ...shown } = answer.metric
  printAnswer(session, text, () => fieldLines(shown))
}
