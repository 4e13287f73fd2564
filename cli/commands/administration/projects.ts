import { GET_PROJECT, LIST_PROJECTS, REGISTER_PROJECT } from '../../../contract/admin-projects.ts'
import { INSTANCE_TYPES, PROJECT_STATUSES, REGIONS } from '../../../contract/lists.ts'
import type { RequestInput } from '../../../contract/operation.ts'
import { confirm } from '../../ask.ts'
import { type CommandRegistration, withExamples } from '../../command.ts'
import { connect, requirePartnerId } from '../../connection/connect.ts'
import { usageError } from '../../errors.ts'
import { fieldLines } from '../../field-lines.ts'
import { callForList, callForText } from '../../http-client.ts'
import { printAnswer } from '../../output.ts'
import { flexible, plainTable } from '../../plain-table.ts'
import type { Session } from '../../session.ts'
import { registerFile } from './register-file.ts'

export const projectsCommand: CommandRegistration = (program, run) => {
  const projects = program.command('projects').description('projects of all partners, and the registration of those that the platform has')
  withExamples(
    projects
      .command('list')
      .description('list projects of any partner, oldest first, deleted ones included')
      .option('--partner <id>', 'of one partner only')
      .option('--status <status>', `only ${PROJECT_STATUSES.join(', ')}`)
      .option('--search <text>', 'a part of the name or the id')
      .action((own: ListOptions) => run((session) => listProjects(session, own))),
    ['meterline projects list --partner ps_1 --status active', 'the active ones of a partner'],
  )
  withExamples(
    projects
      .command('show <project>')
      .description('show a project of any partner')
      .action((id: string) => run((session) => showProject(session, id))),
    ['meterline projects show prj_1', 'its partner, status and account'],
  )
  withExamples(
    projects
      .command('register [project]')
      .description('register a project that exists on the platform, or change it; with --file many')
      .option('--partner <id>', 'its partner, which never changes')
      .option('--name <name>', 'its name')
      .option('--region <region>', REGIONS.join(', '))
      .option('--instance-type <type>', INSTANCE_TYPES.join(', '))
      .option('--status <status>', `${PROJECT_STATUSES.join(', ')}; deleted is final`)
      .option('--deleted-at <time>', 'with --status deleted: when, as RFC 3339')
      .option('--account <id>', 'co-branded: the account of its user')
      .option('--file <file>', 'NDJSON, or a JSON array, of projects with id, partner_id, name …; "-" is stdin')
      .action((id: string | undefined, own: RegisterOptions) => run((session) => register(session, id, own))),
    ['meterline projects register prj_1 --partner ps_1 --name shop', 'one project'],
    ['meterline projects register --file projects.ndjson', 'many; safe to repeat'],
  )
}

interface ListOptions {
  readonly partner?: string
  readonly status?: string
  readonly search?: string
}

interface RegisterOptions {
  readonly partner?: string
  readonly name?: string
  readonly region?: string
  readonly instanceType?: string
  readonly status?: string
  readonly deletedAt?: string
  readonly account?: string
  readonly file?: string
}

/** Throws CliError. */
async function listProjects(session: Session, { partner, ...filter }: ListOptions): Promise<void> {
  const { answer, text } = await callForList(connect(session, ['admin']), LIST_PROJECTS, {
    rows: 'projects',
    // A wrong status is reported by the service itself.
    query: { partner_id: partner, ...filter } as RequestInput<typeof LIST_PROJECTS>['query'],
  })
  printAnswer(session, text, () => {
    if (answer.projects.length === 0) return ['No project matches.']
    const rows = answer.projects.map((each) => [
      ...[each.id, each.partner_id, each.name, each.deleted_at === null ? each.status : `deleted ${each.deleted_at.slice(0, 10)}`],
      ...[each.region, each.instance_type, each.created_at],
    ])
    return [plainTable(['project', 'partner', flexible('name'), 'status', flexible('region'), flexible('type'), 'created'], rows)]
  })
}

/** Throws CliError. */
async function showProject(session: Session, projectId: string): Promise<void> {
  const { answer, text } = await callForText(connect(session, ['admin']), GET_PROJECT, { params: { projectId } })
  printAnswer(session, text, () => fieldLines(answer.project))
}

/** Throws CliError. */
async function register(session: Session, id: string | undefined, { file, ...own }: RegisterOptions): Promise<void> {
  if (file !== undefined) {
    if (id !== undefined || Object.keys(own).length > 0) throw usageError('--file contains everything about its projects.', 'Give no other option with it.')
    return registerFile(session, file)
  }
  if (id === undefined) throw usageError('No project is given.', 'Name the project, or give --file <file> for many.')
  const { name, region, instanceType, status, deletedAt, account } = own
  if (name === undefined) throw usageError('The name of the project is missing.', 'Add --name <name>.')
  const connection = connect(session, ['admin'], own)
  // A wrong value is reported by the service itself.
  const body = {
    ...{ partner_id: requirePartnerId(connection), name, region, status, account_id: account },
    ...{ instance_type: instanceType, deleted_at: deletedAt },
  } as RequestInput<typeof REGISTER_PROJECT>['body']
  if (status === 'deleted') await confirm(session, `Register ${id} as deleted, which is final?`)
  const { answer, text } = await callForText(connection, REGISTER_PROJECT, { params: { projectId: id }, body })
  printAnswer(session, text, () => fieldLines(answer.project))
}
