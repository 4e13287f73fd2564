import { z } from 'zod'
import { ADMIN_ROLES } from '../../contract/fields.ts'
import type { CommandRegistration } from '../command.ts'
import { call, readServiceAddress } from '../http-client.ts'
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

/**
 * Makes an admin token of one role and prints it, and nothing else, so that it can be piped to whoever it is for. What the
 * service does not take (a role, a time) it says itself. Throws CliError.
 */
async function printToken(environment: NodeJS.ProcessEnv, { role, expiresIn, ...options }: TokenOptions): Promise<void> {
  if (expiresIn !== undefined && !/^\d{1,9}$/.test(expiresIn)) throw new CliError(`"${expiresIn}" is not a number of seconds.`)
  const body = { role, ...(expiresIn === undefined ? {} : { expires_in: Number(expiresIn) }) }
  const made = AdminToken.parse(await call(readServiceAddress(environment), 'POST', '/admin/v1/tokens', body))
  printResult(options, made, () => [made.token])
}

const AdminToken = z.object({ token: z.string(), role: z.string(), expires_at: z.string(), id: z.string() })
