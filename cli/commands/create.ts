import { CONNECT_USER, SYNC_ACCOUNT_PROJECT } from '../../contract/co-branded.ts'
import type { RequestInput } from '../../contract/operation.ts'
import { SYNC_EMBEDDED_PROJECT } from '../../contract/projects.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { type Connection, connect, requirePartnerId } from '../connection/connect.ts'
import { writeLink } from '../connection/linked-directory.ts'
import { CliError, usageError } from '../errors.ts'
import { call, callForText } from '../http-client.ts'
import { printAnswer, printNote } from '../output.ts'
import type { Session } from '../session.ts'

export const createCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('create <name>')
      .description('create a project, or find the existing one of this name, and link this directory to it')
      .option('--region <region>', 'where it runs; default: chosen by the platform')
      .option('--instance-type <type>', 'its size; default: chosen by the platform')
      .option('--account <id>', 'co-branded: the account of the user whose project it is')
      .option('--user-email <address>', 'co-branded: instead of --account, the user, whose account is created if there is none')
      .option('--user-name <name>', 'co-branded: the name of that user')
      .option('--partner <id>', 'the partner; default: that of the credentials')
      .option('--no-link', 'do not link this directory')
      .action((name: string, own: CreateOptions) => run((session) => create(session, name, own))),
    ['meterline create shop --region eu-central', 'white-label'],
    ['meterline create shop --user-email ada@example.com --user-name "Ada Lovelace"', 'co-branded'],
  )
}

interface CreateOptions {
  readonly region?: string
  readonly instanceType?: string
  readonly account?: string
  readonly userEmail?: string
  readonly userName?: string
  readonly partner?: string
  readonly link: boolean
}

/** Creates a project and links the directory. Throws CliError. */
async function create(session: Session, name: string, own: CreateOptions): Promise<void> {
  const connection = connect(session, ['partner'], { partner: own.partner })
  const partnerId = requirePartnerId(connection)
  // A wrong region or type is reported by the service itself.
  const body = { project_name: name, region: own.region, instance_type: own.instanceType } as RequestInput<typeof SYNC_EMBEDDED_PROJECT>['body']
  const userId = await accountOf(connection, partnerId, own)
  const { answer, text } =
    userId === undefined
      ? await callForText(connection, SYNC_EMBEDDED_PROJECT, { params: { partnerId }, body })
      : await callForText(connection, SYNC_ACCOUNT_PROJECT, { params: { partnerId, userId }, body })
  if (!answer.success) {
    const usable = answer.candidate_projects.map(({ id }) => id).join(', ')
    throw new CliError(answer.message, undefined, {
      code: 'PLAN_LIMIT',
      next: usable === '' ? undefined : `Projects of this user that can be used instead: ${usable}.`,
    })
  }
  const { id, access_host, status } = answer.project
  const path = own.link ? writeLink(process.cwd(), { url: connection.url, partner_id: partnerId, project_id: id, project_name: name }) : undefined
  printAnswer(session, text, () => [`${name} is project ${id} (${status}) at ${access_host}`])
  printNote(session, 'Its api_key opens the project; "meterline metadata --json" shows it.')
  if (path !== undefined) printNote(session, `This directory is linked to it (${path}).`)
}

async function accountOf(connection: Connection, partnerId: string, { account, userEmail, userName }: CreateOptions): Promise<string | undefined> {
  if (userEmail === undefined) return account
  if (userName === undefined) throw usageError('--user-email needs --user-name, the name of the user.')
  return (await call(connection, CONNECT_USER, { params: { partnerId }, body: { email: userEmail, name: userName } })).account.id
}
