import { DEFINE_METRIC, LIST_METRICS, LIST_OWN_METRICS } from '../../../contract/metrics.ts'
import type { RequestInput } from '../../../contract/operation.ts'
import { LABEL_KEYS_MAX } from '../../../metering/labels.ts'
import { METRIC_KINDS } from '../../../metering/metrics.ts'
import { type CommandRegistration, withExamples } from '../../command.ts'
import { connect, requirePartnerId } from '../../connection/connect.ts'
import { fieldLines } from '../../field-lines.ts'
import { call, callForText } from '../../http-client.ts'
import { notOneOf } from '../../not-one-of.ts'
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
      .option('--label <key...>', `keys of its labels, at most ${LABEL_KEYS_MAX}; once declared they never change`)
      .action((name: string, own: DefineOptions) => run((session) => defineMetric(session, name, own))),
    ['meterline metrics define images --kind cumulative --unit image --description "Images generated"', 'values are added up'],
    ['meterline metrics define logins --kind count --unit login --description "Logins of users"', 'each event counts 1'],
  )
  withExamples(
    metrics
      .command('label <metric> <keys...>')
      .description('declare the labels of a metric that is defined, also of a documented one; once declared they never change')
      .action((name: string, keys: string[]) => run((session) => labelMetric(session, name, keys))),
    ['meterline metrics label ai_tokens model region', 'events of ai_tokens may have a model and a region'],
  )
}

interface DefineOptions {
  readonly kind: string
  readonly unit: string
  readonly description: string
  readonly display?: string
  readonly label?: string[]
}

/** Throws CliError. */
async function listMetrics(session: Session): Promise<void> {
  const connection = connect(session, ['partner', 'admin'])
  const { answer, text } =
    connection.credential.kind === 'admin'
      ? await callForText(connection, LIST_METRICS)
      : await callForText(connection, LIST_OWN_METRICS, { params: { partnerId: requirePartnerId(connection) } })
  printAnswer(session, text, () => {
    const rows = answer.metrics.map(({ name, kind, unit, display, documented, labels, description }) => [
      name,
      kind,
      unit,
      display,
      documented ? 'yes' : '',
      labels.join(', '),
      description,
    ])
    return [plainTable(['metric', 'kind', 'unit', flexible('shown as'), 'documented', flexible('labels'), flexible('description')], rows)]
  })
}

/** Throws CliError. */
async function defineMetric(session: Session, name: string, { kind, unit, description, display, label }: DefineOptions): Promise<void> {
  // A wrong kind is reported by the service itself.
  const more = { ...(display !== undefined && { display }), ...(label !== undefined && { labels: label }) }
  await putMetric(session, name, { kind, unit, description, ...more } as Definition)
}

/** The service replaces a definition as a whole, so the rest of it is sent as it is. Throws CliError. */
async function labelMetric(session: Session, name: string, labels: string[]): Promise<void> {
  const { metrics } = await call(connect(session, ['admin']), LIST_METRICS)
  const known = metrics.find((each) => each.name === name)
  if (known === undefined)
    throw notOneOf(
      'the metric',
      name,
      metrics.map((each) => each.name),
    )
  const { kind, unit, description, display } = known
  await putMetric(session, name, { kind, unit, description, ...(display !== name && { display }), labels })
}

type Definition = RequestInput<typeof DEFINE_METRIC>['body']

async function putMetric(session: Session, name: string, body: Definition): Promise<void> {
  const { answer, text } = await callForText(connect(session, ['admin']), DEFINE_METRIC, { params: { name }, body })
  const { documented: _, labels, ...shown } = answer.metric
  printAnswer(session, text, () => fieldLines({ ...shown, ...(labels.length > 0 && { labels: labels.join(', ') }) }))
}
