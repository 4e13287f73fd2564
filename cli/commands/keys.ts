import { LIST_SIGNING_KEYS, ROTATE_SIGNING_KEY } from '../../contract/signing-keys.ts'
import type { CommandRegistration } from '../command.ts'
import { call, readEndpoint, readRows } from '../http-client.ts'
import { type OutputOptions, printResult } from '../output.ts'
import { plainTable } from '../plain-table.ts'

export const keysCommand: CommandRegistration = (program, run) => {
  const keys = program.command('keys').description('the keys of the service: signing keys, and the sealing of stored keys')
  keys
    .command('list')
    .description('list the signing keys and their states')
    .action(() => run(listKeys))
  keys
    .command('rotate')
    .description('create a new signing key; it is published now and signs ten minutes later')
    .option('--withdraw', 'use after a key leak: sign with the new key immediately and invalidate all existing tokens')
    .action((own: RotateOptions) => run((environment, options) => rotateKeys(environment, { ...own, ...options })))
  keys
    .command('rewrap')
    .description('re-encrypt with MASTER_KEY what MASTER_KEY_PREVIOUS sealed, once all processes have both (docs/operating/keys.md)')
    .action(() => run(async (environment, options) => (await import('./rewrap-keys.ts')).rewrapKeys(environment, options)))
}

interface RotateOptions extends OutputOptions {
  /** Use after a leak of a key. */
  readonly withdraw?: boolean
}

/** Creates a new signing key. Throws CliError. */
async function rotateKeys(environment: NodeJS.ProcessEnv, { withdraw = false, ...options }: RotateOptions): Promise<void> {
  const key = await call(readEndpoint(environment), ROTATE_SIGNING_KEY, { body: { withdraw } })
  printResult(options, key, () => [
    withdraw
      ? `${key.kid} signs from now on; all other keys are withdrawn, and every token that they signed is invalid`
      : `${key.kid} is published and signs from ${key.signs_from} on; existing tokens stay valid until they expire`,
  ])
}

/** Lists all signing keys there ever were. Throws CliError. */
async function listKeys(environment: NodeJS.ProcessEnv, options: OutputOptions): Promise<void> {
  const signing_keys = await readRows(readEndpoint(environment), LIST_SIGNING_KEYS, { rowsOf: (page) => page.signing_keys })
  printResult(options, { signing_keys }, () => {
    const rows = signing_keys.map(({ kid, state, created_at, signs_from, withdrawn_at }) => [kid, state, created_at, signs_from, withdrawn_at ?? ''])
    return [plainTable(['key', 'state', 'created', 'signs from', 'withdrawn'], rows)]
  })
}
