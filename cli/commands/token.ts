import { z } from 'zod'
import { call, readServiceAddress } from '../http-client.ts'
import { CliError, type OutputOptions, printResult } from '../output.ts'

export interface TokenOptions extends OutputOptions {
  readonly role: string
  /** Seconds. */
  readonly expiresIn?: string
}

/**
 * Makes an admin token of one role and prints it, and nothing else, so that it can be piped to whoever it is for. What the
 * service does not take (a role, a time) it says itself. Throws CliError.
 */
export async function printToken(environment: NodeJS.ProcessEnv, { role, expiresIn, ...options }: TokenOptions): Promise<void> {
  if (expiresIn !== undefined && !/^\d{1,9}$/.test(expiresIn)) throw new CliError(`"${expiresIn}" is not a number of seconds.`)
  const body = { role, ...(expiresIn === undefined ? {} : { expires_in: Number(expiresIn) }) }
  const made = AdminToken.parse(await call(readServiceAddress(environment), 'POST', '/admin/v1/tokens', body))
  printResult(options, made, () => [made.token])
}

const AdminToken = z.object({ token: z.string(), role: z.string(), expires_at: z.string(), id: z.string() })
