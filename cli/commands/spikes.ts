import type { AnswerOf, RequestInput } from '../../contract/operation.ts'
import { LIST_OWN_SPIKES, LIST_SPIKES } from '../../contract/spikes.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect, requirePartnerId } from '../connection/connect.ts'
import { callForList } from '../http-client.ts'
import { limitFrom } from '../limit-from.ts'
import { printAnswer } from '../output.ts'
import { plainTable } from '../plain-table.ts'
import type { Session } from '../session.ts'

export const spikesCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('spikes')
      .description('list days of projects that are unlike the same weekday of the weeks before, newest day first')
      .option('--partner <id>', 'the partner; default: that of the credentials, or for finance all of them')
      .option('--project <id>', 'only this project')
      .option('--metric <name>', 'only this metric, such as ai_tokens')
      .option('--from <day>', 'first day, YYYY-MM-DD')
      .option('--to <day>', 'last day, YYYY-MM-DD')
      .option('--limit <n>', 'number of spikes', '100')
      .action((own: SpikesOptions) => run((session) => spikes(session, own))),
    ['meterline spikes', 'the newest of your projects'],
    ['meterline spikes --project prj_1 --from 2026-02-01', 'of one project since a day'],
    ['meterline spikes --partner p_1 --json', 'of any partner, for finance, with the values of the weekdays'],
  )
}

interface SpikesOptions {
  readonly partner?: string
  readonly project?: string
  readonly metric?: string
  readonly from?: string
  readonly to?: string
  readonly limit: string
}

/** From as many pages as it takes. Throws CliError. */
async function spikes(session: Session, { partner, project, metric, from, to, limit }: SpikesOptions): Promise<void> {
  const rowsMax = limitFrom(limit, 'spikes')
  const connection = connect(session, ['admin', 'partner'], { partner })
  const list = { rows: 'spikes' as const, rowsMax }
  // Whether there is such a metric is decided by the service.
  const query = { project_id: project, metric, from, to } as RequestInput<typeof LIST_OWN_SPIKES>['query']
  const { answer, text } =
    connection.credential.kind === 'partner'
      ? await callForList(connection, LIST_OWN_SPIKES, { ...list, params: { partnerId: requirePartnerId(connection) }, query })
      : await callForList(connection, LIST_SPIKES, { ...list, query: { ...query, partner_id: partner } })
  printAnswer(session, text, () => (answer.spikes.length === 0 ? ['There is no spike.'] : [tableOf(answer)]))
}

function tableOf({ spikes: listed }: AnswerOf<typeof LIST_SPIKES>): string {
  const rows = listed.map(({ day, project_id, metric, direction, value, median, unit }) => [day, project_id, metric, direction, value, median, unit])
  return plainTable(['day', 'project', 'metric', 'direction', 'value', 'median', 'unit'], rows, [4, 5])
}
