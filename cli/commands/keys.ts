import { LIST_SIGNING_KEYS, ROTATE_SIGNING_KEY } from '../../contract/signing-keys.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect } from '../connection/connect.ts'
import { callForList, callForText } from '../http-client.ts'
import { printAnswer } from '../output.ts'
import { plainTable } from '../plain-table.ts'
import type { Session } from '../session.ts'

export const keysCommand: CommandRegistration = (program, run) => {
  const keys = program.command('keys').description('the keys of the service: signing keys, and the sealing of stored keys')
  withExamples(
    keys
      .command('list')
      .description('list the signing keys and their states')
      .action(() => run(listKeys)),
    ['meterline keys list', 'the signing keys and their states'],
  )
  withExamples(
    keys
      .command('rotate')
      .description('create a new signing key; it is published now and signs ten minutes later')
      .option('--withdraw', 'use after a key leak: sign with the new key immediately and invalidate all existing tokens')
      .action((own: RotateOptions) => run((session) => rotateKeys(session, own))),
    ['meterline keys rotate', 'a new key, without an interruption'],
    ['meterline keys rotate --withdraw', 'after a leak'],
  )
  withExamples(
    keys
      .command('rewrap')
      .description('re-encrypt with MASTER_KEY what MASTER_KEY_PREVIOUS sealed, once all processes have both (docs/operating/keys.md)')
      .action(() => run(async (session) => (await import('./rewrap-keys.ts')).rewrapKeys(session))),
    ['meterline keys rewrap', 'after MASTER_KEY was changed'],
  )
}

interface RotateOptions {
  /** Use after a leak of a key. */
  readonly withdraw?: boolean
}

/** Creates a new signing key. Throws CliError. */
async function rotateKeys(session: Session, { withdraw = false }: RotateOptions): Promise<void> {
  const { answer: key, text } = await callForText(connect(session, ['admin']), ROTATE_SIGNING_KEY, { body: { withdraw } })
  printAnswer(session, text, () => [
    withdraw
      ? `${key.kid} signs from now on; all other keys are withdrawn, and every token that they signed is invalid`
      : `${key.kid} is published and signs from ${key.signs_from} on; existing tokens stay valid until they expire`,
  ])
}

/** Lists all signing keys there ever were. Throws CliError. */
async function listKeys(session: Session): Promise<void> {
  const { answer, text } = await callForList(connect(session, ['admin']), LIST_SIGNING_KEYS, { rows: 'signing_keys' })
  printAnswer(session, text, () => {
    const rows = answer.signing_keys.map(({ kid, state, created_at, signs_from, withdrawn_at }) => [kid, state, created_at, signs_from, withdrawn_at ?? ''])
    return [plainTable(['key', 'state', 'created', 'signs from', 'withdrawn'], rows)]
  })
}
