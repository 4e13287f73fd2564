import { CREATE_ADMIN_TOKEN, LIST_ADMIN_TOKENS, REVOKE_ADMIN_TOKEN } from '../../contract/admin-tokens.ts'
import { AUTHORIZE_PROJECT } from '../../contract/authorization.ts'
import { ADMIN_ROLES } from '../../contract/lists.ts'
import type { RequestInput } from '../../contract/operation.ts'
import { CREATE_PARTNER_TOKEN } from '../../contract/partner-tokens.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect, requirePartnerId, requireProjectId } from '../connection/connect.ts'
import { CliError } from '../errors.ts'
import { callForList, callForText } from '../http-client.ts'
import { printAnswer } from '../output.ts'
import { plainTable } from '../plain-table.ts'
import type { Session } from '../session.ts'

export const tokenCommand: CommandRegistration = (program, run) => {
  const token = program
    .command('token')
    .description('short-lived tokens: of operators and finance (by the admin token itself), of a project and for pages (by its partner)')
  withExamples(
    token
      .command('create', { isDefault: true })
      .description('create a token and print it')
      .requiredOption('--role <role>', ADMIN_ROLES.join(', '))
      .option('--expires-in <seconds>', '60 to 43200; default 3600')
      .action((own: TokenOptions) => run((session) => printToken(session, own))),
    ['meterline token create --role finance', 'a token for an hour'],
    ['METERLINE_ACCESS_TOKEN=$(meterline token --role operator) meterline audit', 'use it once'],
  )
  withExamples(
    token
      .command('list')
      .description('list the tokens that have not expired, with their ids')
      .action(() => run(listTokens)),
    ['meterline token list', 'those that have not expired'],
  )
  withExamples(
    token
      .command('revoke <id>')
      .description('end a token before it expires')
      .action((id: string) => run((session) => revokeToken(session, id))),
    ['meterline token revoke <id>', 'an id as "meterline token list" names it'],
  )
  withExamples(
    token
      .command('project [project]')
      .description('create a ten-minute code for a project (white-label) and print it')
      .option('--partner <id>', 'the partner; default: that of the credentials')
      .action((project: string | undefined, own: { partner?: string }) => run((session) => printCode(session, project, own))),
    ['meterline token project', 'of the linked project; the code alone, so that it can be piped'],
  )
  withExamples(
    token
      .command('partner')
      .description("create a token with which a page reads the partner's usage and bills, and print it")
      .option('--partner <id>', 'the partner; default: that of the credentials')
      .option('--expires-in <seconds>', '60 to 3600; default 600')
      .action((own: PartnerTokenOptions) => run((session) => printPartnerToken(session, own))),
    ['meterline token partner --expires-in 3600', 'for an hour; the token alone, so that it can be piped'],
  )
}

interface TokenOptions {
  readonly role: string
  /** Seconds. */
  readonly expiresIn?: string
}

interface PartnerTokenOptions {
  readonly partner?: string
  /** Seconds. */
  readonly expiresIn?: string
}

/** Creates an admin token of one role and prints it and nothing else, so that it can be piped. Throws CliError. */
async function printToken(session: Session, { role, expiresIn }: TokenOptions): Promise<void> {
  // A wrong role or time is reported by the service itself.
  const body = { role, ...lifetimeOf(expiresIn) } as RequestInput<typeof CREATE_ADMIN_TOKEN>['body']
  const { answer: made, text } = await callForText(connect(session, ['admin']), CREATE_ADMIN_TOKEN, { body })
  printAnswer(session, text, () => [made.token])
}

/** Creates the code of a project. Throws CliError. */
async function printCode(session: Session, project: string | undefined, { partner }: { partner?: string }): Promise<void> {
  const connection = connect(session, ['partner'], { partner, project })
  const params = { partnerId: requirePartnerId(connection), projectId: requireProjectId(connection) }
  const { answer, text } = await callForText(connection, AUTHORIZE_PROJECT, { params })
  printAnswer(session, text, () => [answer.code])
}

/** Throws CliError. */
async function printPartnerToken(session: Session, { partner, expiresIn }: PartnerTokenOptions): Promise<void> {
  const connection = connect(session, ['partner'], { partner })
  const params = { partnerId: requirePartnerId(connection) }
  const { answer, text } = await callForText(connection, CREATE_PARTNER_TOKEN, { params, body: lifetimeOf(expiresIn) })
  printAnswer(session, text, () => [answer.token])
}

/** Throws CliError. */
function lifetimeOf(expiresIn: string | undefined): { expires_in?: number } {
  if (expiresIn === undefined) return {}
  if (!/^\d{1,9}$/.test(expiresIn)) throw new CliError(`"${expiresIn}" is not a number of seconds.`)
  return { expires_in: Number(expiresIn) }
}

/** Throws CliError. */
async function listTokens(session: Session): Promise<void> {
  const { answer, text } = await callForList(connect(session, ['admin']), LIST_ADMIN_TOKENS, { rows: 'tokens' })
  printAnswer(session, text, () => {
    const rows = answer.tokens.map(({ id, role, created_at, expires_at, revoked_at }) => [id, role, created_at, expires_at, revoked_at ?? ''])
    return [plainTable(['token', 'role', 'created', 'expires', 'revoked'], rows)]
  })
}

/** Throws CliError. */
async function revokeToken(session: Session, id: string): Promise<void> {
  const { answer, text } = await callForText(connect(session, ['admin']), REVOKE_ADMIN_TOKEN, { params: { tokenId: id } })
  const { expires_at, revoked_at } = answer
  printAnswer(session, text, () => [
    revoked_at === null
      ? `${id} expired at ${expires_at}; there was nothing to revoke`
      : `${id} is revoked since ${revoked_at}; all processes reject it within one second. What it has created stays valid: list it with "meterline audit-log list"`,
  ])
}
