import type { RequestInput } from '../../contract/operation.ts'
import { LIST_PARTNER_PROJECTS } from '../../contract/partner-projects.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect, requirePartnerId } from '../connection/connect.ts'
import { callForList } from '../http-client.ts'
import { printAnswer } from '../output.ts'
import { flexible, plainTable } from '../plain-table.ts'
import type { Session } from '../session.ts'

export const listCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('list')
      .description('list all projects of the partner, deleted ones included')
      .option('--status <status>', 'active, paused or deleted only')
      .option('--search <text>', 'a part of the name or the id')
      .option('--sort <order>', 'name, created_at, last_activity_at or metrics.<metric>; with "-" in front: descending', 'name')
      .option('--partner <id>', 'the partner; default: that of the credentials')
      .action((own: ListOptions) => run((session) => list(session, own))),
    ['meterline list', 'all projects'],
    ['meterline list --status active --sort=-last_activity_at', 'the most recently active first'],
  )
}

interface ListOptions {
  readonly status?: string
  readonly search?: string
  readonly sort: string
  readonly partner?: string
}

/** Lists the projects, from as many pages as it takes. Throws CliError. */
async function list(session: Session, { partner, ...query }: ListOptions): Promise<void> {
  const connection = connect(session, ['partner'], { partner })
  const { answer, text } = await callForList(connection, LIST_PARTNER_PROJECTS, {
    rows: 'projects',
    params: { partnerId: requirePartnerId(connection) },
    // A wrong status or order is reported by the service itself.
    query: query as RequestInput<typeof LIST_PARTNER_PROJECTS>['query'],
  })
  printAnswer(session, text, () => {
    const rows = answer.projects.map(({ id, name, status, deleted_at, region, instance_type, last_activity_at }) => [
      ...[id, name, status === 'deleted' ? `deleted ${deleted_at?.slice(0, 10) ?? ''}` : status],
      ...[region, instance_type, last_activity_at ?? 'never'],
    ])
    return rows.length === 0
      ? ['No project matches.']
      : [plainTable(['project', flexible('name'), 'status', flexible('region'), flexible('type'), 'last activity'], rows)]
  })
}
