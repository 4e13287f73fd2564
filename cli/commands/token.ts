import { CREATE_ADMIN_TOKEN } from '../../contract/admin-tokens.ts'
import { ADMIN_ROLES } from '../../contract/fields.ts'
import type { RequestInput } from '../../contract/operation.ts'
import type { CommandRegistration } from '../command.ts'
import { call, readEndpoint } from '../http-client.ts'
import { CliError, type OutputOptions, printResult } from '../output.ts'

export const tokenCommand: CommandRegistration = (program, run) => {
  program
    .command('token')
    .description('create a short-lived admin token with a limited role, and print it')
    .requiredOption('--role <role>', ADMIN_ROLES.join(', '))
    .option('--expires-in <seconds>', '60 to 43200; default 3600')
    .action((own: TokenOptions) => run((environment, options) => printToken(environment, { ...own, ...options })))
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
