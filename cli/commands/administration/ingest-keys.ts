import { CREATE_INGEST_KEY, LIST_INGEST_KEYS, REVOKE_INGEST_KEY } from '../../../contract/ingest-keys.ts'
import { confirm } from '../../ask.ts'
import { type CommandRegistration, withExamples } from '../../command.ts'
import { connect } from '../../connection/connect.ts'
import { callForList, callForText } from '../../http-client.ts'
import { printAnswer } from '../../output.ts'
import { flexible, plainTable } from '../../plain-table.ts'
import { OUT_OPTION, printNewSecret } from '../../print-new-secret.ts'
import type { Session } from '../../session.ts'

export const ingestKeysCommand: CommandRegistration = (program, run) => {
  const keys = program.command('ingest-keys').description('the keys with which platforms send events')
  withExamples(
    keys
      .command('list')
      .description('list all ingest keys, oldest first, revoked ones included')
      .action(() => run(listKeys)),
    ['meterline ingest-keys list', 'and when each was last used'],
  )
  withExamples(
    keys
      .command('create <name>')
      .description('create an ingest key; it is shown once')
      .option('--partner <id...>', 'only for the registered projects of these partners; default: for all projects')
      .option(...OUT_OPTION)
      .action((name: string, own: CreateOptions) => run((session) => createKey(session, name, own))),
    ['meterline ingest-keys create gateway-eu --out gateway-eu.key', 'writes it to a file'],
    ['meterline ingest-keys create gateway-acme --partner ps_1', 'for one partner only'],
  )
  withExamples(
    keys
      .command('revoke <id>')
      .description('revoke an ingest key; events that it has sent stay counted')
      .action((id: string) => run((session) => revokeKey(session, id))),
    ['meterline ingest-keys revoke b2a1e7d4-0f6c-4f0e-9f3d-7c5d2e1f0a99', 'asks first'],
  )
}

interface CreateOptions {
  readonly partner?: readonly string[]
  readonly out?: string
}

/** Throws CliError. */
async function listKeys(session: Session): Promise<void> {
  const { answer, text } = await callForList(connect(session, ['admin']), LIST_INGEST_KEYS, { rows: 'ingest_keys' })
  printAnswer(session, text, () => {
    if (answer.ingest_keys.length === 0) return ['There is no ingest key.']
    const rows = answer.ingest_keys.map((each) => [
      ...[each.id, each.name, `${each.prefix}…${each.last_four}`, each.partner_ids.join('\n') || 'all', each.created_at, each.last_used_at ?? 'never'],
      each.revoked_at ?? '',
    ])
    return [plainTable(['ingest key', flexible('name'), 'begins and ends', 'partners', 'created', 'last used', 'revoked'], rows)]
  })
}

/** Throws CliError. */
async function createKey(session: Session, name: string, { partner, out }: CreateOptions): Promise<void> {
  const connection = connect(session, ['admin'])
  const body = { name, ...(partner === undefined ? {} : { partner_ids: [...partner] }) }
  await printNewSecret(session, out, {
    create: () => callForText(connection, CREATE_INGEST_KEY, { body }),
    member: 'key',
    fields: ({ id }) => ({ id, name }),
    ifLost: 'Revoke the new ingest key ("meterline ingest-keys list" lists it last), then create another.',
  })
}

/** Throws CliError. */
async function revokeKey(session: Session, id: string): Promise<void> {
  const connection = connect(session, ['admin'])
  await confirm(session, `Revoke the ingest key ${id}? Events that are sent with it from now on are not stored.`)
  const { answer, text } = await callForText(connection, REVOKE_INGEST_KEY, { params: { keyId: id } })
  printAnswer(session, text, () => [`${answer.id} is revoked since ${answer.revoked_at}.`])
}
