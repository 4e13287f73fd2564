import { CREATE_ADMIN_TOKEN, LIST_ADMIN_TOKENS, REVOKE_ADMIN_TOKEN } from '../../contract/admin-tokens.ts'
import { ADMIN_ROLES } from '../../contract/fields.ts'
import type { RequestInput } from '../../contract/operation.ts'
import type { CommandRegistration } from '../command.ts'
import { call, readEndpoint, readRows } from '../http-client.ts'
import { CliError, type OutputOptions, printResult } from '../output.ts'
import { plainTable } from '../plain-table.ts'

export const tokenCommand: CommandRegistration = (program, run) => {
  const token = program.command('token').description('short-lived admin tokens with a limited role; each command needs the admin token itself')
  token
    .command('create', { isDefault: true })
    .description('create a token and print it')
    .requiredOption('--role <role>', ADMIN_ROLES.join(', '))
    .option('--expires-in <seconds>', '60 to 43200; default 3600')
    .action((own: TokenOptions) => run((environment, options) => printToken(environment, { ...own, ...options })))
  token
    .command('list')
    .description('list the tokens that have not expired, with their ids')
    .action(() => run(listTokens))
  token
    .command('revoke <id>')
    .description('end a token before it expires')
    .action((id: string) => run((environment, options) => revokeToken(environment, id, options)))
}

interface TokenOptions extends OutputOptions {
  readonly role: string
  /** Seconds. */
  readonly expiresIn?: string
}

/** Creates an admin token of one role and prints it and nothing else, so that it can be piped. Throws CliError. */
async function printToken(environment: NodeJS.ProcessEnv, { role, expiresIn, ...options }: TokenOptions): Promise<void> {
  if (expiresIn !== undefined && !/^\d{1,9}$/.test(expiresIn)) throw new CliError(`"${expiresIn}" is not a number of seconds.`)
  // A wrong role or time is reported by the service itself.
  const body = { role, ...(expiresIn === undefined ? {} : { expires_in: Number(expiresIn) }) } as RequestInput<typeof CREATE_ADMIN_TOKEN>['body']
  const made = await call(readEndpoint(environment), CREATE_ADMIN_TOKEN, { body })
  printResult(options, made, () => [made.token])
}

/** Throws CliError. */
async function listTokens(environment: NodeJS.ProcessEnv, options: OutputOptions): Promise<void> {
  const tokens = await readRows(readEndpoint(environment), LIST_ADMIN_TOKENS, { rowsOf: (page) => page.tokens })
  printResult(options, { tokens }, () => {
    const rows = tokens.map(({ id, role, created_at, expires_at, revoked_at }) => [id, role, created_at, expires_at, revoked_at ?? ''])
    return [plainTable(['token', 'role', 'created', 'expires', 'revoked'], rows)]
  })
}

/** Throws CliError. */
async function revokeToken(environment: NodeJS.ProcessEnv, id: string, options: OutputOptions): Promise<void> {
  const { expires_at, revoked_at } = await call(readEndpoint(environment), REVOKE_ADMIN_TOKEN, { params: { id } })
  printResult(options, { id, expires_at, revoked_at }, () => [
    revoked_at === null
      ? `${id} expired at ${expires_at}; there was nothing to revoke`
      : `${id} is revoked since ${revoked_at}; all processes reject it within one second. What it has created stays valid: list it with "meterline audit-log list"`,
  ])
}
