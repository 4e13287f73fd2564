import { z } from 'zod'
import type { CommandRegistration } from '../command.ts'
import { call, readServiceAddress } from '../http-client.ts'
import { type OutputOptions, printResult } from '../output.ts'
import { plainTable } from '../plain-table.ts'
import { readPages } from '../read-pages.ts'

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
  /** The keys there are known to others. */
  readonly withdraw?: boolean
}

/** Makes a new key that tokens are signed with. Throws CliError. */
async function rotateKeys(environment: NodeJS.ProcessEnv, { withdraw = false, ...options }: RotateOptions): Promise<void> {
  const key = NewKey.parse(await call(readServiceAddress(environment), 'POST', '/admin/v1/signing-keys', { withdraw }))
  printResult(options, key, () => [
    withdraw
      ? `${key.kid} signs from now on; all other keys are withdrawn, and every token they have signed has ended`
      : `${key.kid} is published and signs from ${key.signs_from} on; tokens that were signed before are good until they end`,
  ])
}

/** All keys that tokens were ever signed with. Throws CliError. */
async function listKeys(environment: NodeJS.ProcessEnv, options: OutputOptions): Promise<void> {
  const list = { path: '/admin/v1/signing-keys', rowsOf: (page: unknown) => Keys.parse(page).signing_keys }
  const signing_keys = await readPages(readServiceAddress(environment), list)
  printResult(options, { signing_keys }, () => {
    const rows = signing_keys.map(({ kid, state, created_at, signs_from, withdrawn_at }) => [kid, state, created_at, signs_from, withdrawn_at ?? ''])
    return [plainTable(['key', 'state', 'created', 'signs from', 'withdrawn'], rows)]
  })
}

const NewKey = z.object({ kid: z.string(), signs_from: z.string() })

const Keys = z.object({
  signing_keys: z.array(z.object({ kid: z.string(), created_at: z.string(), signs_from: z.string(), withdrawn_at: z.string().nullable(), state: z.string() })),
})
