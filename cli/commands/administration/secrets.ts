import { text as textOf } from 'node:stream/consumers'
import type { RequestInput } from '../../../contract/operation.ts'
import { LIST_SCHEDULES } from '../../../contract/schedules.ts'
import { CREATE_SECRET, DELETE_SECRET, GET_SECRET, LIST_SECRETS, UPDATE_SECRET } from '../../../contract/secrets.ts'
import { askSecret, canAsk, confirm } from '../../ask.ts'
import { type CommandRegistration, withExamples } from '../../command.ts'
import { type Connection, connect } from '../../connection/connect.ts'
import { usageError } from '../../errors.ts'
import { call, callForText } from '../../http-client.ts'
import { printAnswer, printNote } from '../../output.ts'
import { plainTable } from '../../plain-table.ts'
import type { Session } from '../../session.ts'

export const secretsCommand: CommandRegistration = (program, run) => {
  const secrets = program.command('secrets').description('secrets that the service keeps encrypted, such as keys of other services')
  withExamples(
    secrets
      .command('list')
      .description('list the keys of the secrets, without their values')
      .option('--all', 'inactive (deleted) ones too')
      .action((own: { all?: boolean }) => run((session) => listSecrets(session, own))),
    ['meterline secrets list --all', 'also those that can be restored'],
  )
  withExamples(
    secrets
      .command('get <key>')
      .description('print the value of a secret and nothing else; the audit log records it')
      .action((key: string) => run((session) => getSecret(session, key))),
    ['STRIPE_API_KEY=$(meterline secrets get STRIPE_API_KEY)', 'use it in a script'],
  )
  withExamples(
    secrets
      .command('add <key> [value]')
      .description('create a secret; without a value it is read from stdin, on a terminal without being shown')
      .option('--reserved', 'protect it from deletion')
      .option('--expires <time>', 'ISO 8601 with a zone; from then on the value is not found')
      .action((key: string, value: string | undefined, own: AddOptions) => run((session) => addSecret(session, key, value, own))),
    ['meterline secrets add STRIPE_API_KEY < key-file', 'other users of the machine see arguments, but not stdin'],
    ['meterline secrets add STRIPE_API_KEY --reserved --expires 2027-01-01T00:00:00Z', 'asks for the value'],
  )
  withExamples(
    secrets
      .command('update <key>')
      .description('change a secret; what is not given stays as it is')
      .option('--value [value]', 'the new value; without a text it is read from stdin, on a terminal without being shown')
      .option('--active <boolean>', 'true restores a deleted secret, false deletes it')
      .option('--reserved <boolean>', 'true protects it from deletion')
      .option('--expires <time>', 'ISO 8601 with a zone, or "never"')
      .action((key: string, own: UpdateOptions) => run((session) => updateSecret(session, key, own))),
    ['meterline secrets update STRIPE_API_KEY --value < key-file', 'a new value'],
    ['meterline secrets update STRIPE_API_KEY --active true', 'restores it'],
  )
  withExamples(
    secrets
      .command('delete <key>')
      .description('delete a secret: it becomes inactive and can be restored')
      .action((key: string) => run((session) => deleteSecret(session, key))),
    ['meterline secrets delete STRIPE_API_KEY', 'asks first'],
  )
}

interface AddOptions {
  readonly reserved?: boolean
  readonly expires?: string
}

interface UpdateOptions {
  /** True if it is given without a text. */
  readonly value?: string | true
  readonly active?: string
  readonly reserved?: string
  readonly expires?: string
}

/** Throws CliError. */
async function listSecrets(session: Session, { all = false }: { all?: boolean }): Promise<void> {
  const { answer, text } = await callForText(connect(session, ['admin']), LIST_SECRETS)
  const secrets = answer.secrets.filter(({ isActive }) => all || isActive)
  printAnswer(session, all ? text : JSON.stringify({ secrets }), () => {
    if (secrets.length === 0) return [all ? 'There is no secret.' : 'There is no active secret.']
    const rows = secrets.map(({ key, isActive, isReserved, updatedAt, expiresAt }) => [
      ...[key, isActive ? 'active' : 'inactive', isReserved ? 'reserved' : '', updatedAt, expiresAt ?? 'never'],
    ])
    return [plainTable(['key', 'state', 'protection', 'changed', 'expires'], rows)]
  })
}

/** Throws CliError. */
async function getSecret(session: Session, key: string): Promise<void> {
  const { answer, text } = await callForText(connect(session, ['admin']), GET_SECRET, { params: { key } })
  printAnswer(session, text, () => [answer.value])
}

/** Throws CliError. */
async function addSecret(session: Session, key: string, given: string | undefined, { reserved = false, expires }: AddOptions): Promise<void> {
  const connection = connect(session, ['admin'])
  const body = { key, value: given ?? (await readValue(session, key)), isReserved: reserved, ...(expires === undefined ? {} : { expiresAt: expires }) }
  const { answer, text } = await callForText(connection, CREATE_SECRET, { body })
  printAnswer(session, text, () => [answer.message])
}

/** Throws CliError. */
async function updateSecret(session: Session, key: string, own: UpdateOptions): Promise<void> {
  if (Object.keys(own).length === 0) throw usageError('Nothing to change is given.', 'Add --value, --active, --reserved or --expires.')
  const { value, active, reserved, expires } = own
  const connection = connect(session, ['admin'])
  const body: RequestInput<typeof UPDATE_SECRET>['body'] = {
    ...(active === undefined ? {} : { isActive: booleanOf(active, '--active') }),
    ...(reserved === undefined ? {} : { isReserved: booleanOf(reserved, '--reserved') }),
    ...(expires === undefined ? {} : { expiresAt: expires === 'never' ? null : expires }),
    ...(value === undefined ? {} : { value: value === true ? await readValue(session, key) : value }),
  }
  const { answer, text } = await callForText(connection, UPDATE_SECRET, { params: { key }, body })
  printAnswer(session, text, () => [answer.message])
}

/** Throws CliError. */
async function deleteSecret(session: Session, key: string): Promise<void> {
  const connection = connect(session, ['admin'])
  const users = await schedulesWith(connection, key)
  const warning = `${users.length === 1 ? 'The schedule' : 'The schedules'} ${users.join(', ')} ${users.length === 1 ? 'uses' : 'use'} it: runs fail until it is restored.`
  await confirm(session, `Delete the secret ${key}? It can be restored.${users.length === 0 ? '' : ` ${warning}`}`)
  const { answer, text } = await callForText(connection, DELETE_SECRET, { params: { key } })
  printAnswer(session, text, () => [answer.message])
  if (users.length > 0) printNote(session, warning)
}

/** The names of the schedules whose headers refer to the secret. Throws CliError. */
async function schedulesWith(connection: Connection, key: string): Promise<string[]> {
  const { schedules } = await call(connection, LIST_SCHEDULES)
  const refersTo = (text: string) => [...text.matchAll(/\$\{\{\s*secrets\.(\w+)\s*\}\}/g)].some(([, named]) => named === key)
  return schedules.filter(({ headers }) => Object.values(headers).some(refersTo)).map(({ name }) => name)
}

/** From the terminal, without showing it, or from stdin, of which a line break at the end is not part of the value. Throws CliError. */
async function readValue(session: Session, key: string): Promise<string> {
  const value = canAsk(session) ? await askSecret(session, `Value of ${key}: `) : process.stdin.isTTY ? '' : (await textOf(process.stdin)).replace(/\r?\n$/, '')
  if (value === '') throw usageError(`No value of ${key} is given.`, 'Write it to stdin ("… < file"), or give it as an argument.')
  return value
}

function booleanOf(text: string, option: string): boolean {
  if (text !== 'true' && text !== 'false') throw usageError(`${option} "${text}" is neither true nor false.`)
  return text === 'true'
}
