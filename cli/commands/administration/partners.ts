import { PARTNER_MODES } from '../../../contract/lists.ts'
import type { AnswerOf, RequestInput } from '../../../contract/operation.ts'
import { CREATE_PARTNER, GET_PARTNER, LIST_PARTNERS, MONTHS_BACK_MAX, UPDATE_PARTNER } from '../../../contract/partners.ts'
import { counted } from '../../../metering/counted.ts'
import { monthsAgo, parseMonth } from '../../../metering/month.ts'
import { confirm } from '../../ask.ts'
import { type CommandRegistration, withExamples } from '../../command.ts'
import { connect } from '../../connection/connect.ts'
import { usageError } from '../../errors.ts'
import { fieldLines } from '../../field-lines.ts'
import { call, callForList, callForText } from '../../http-client.ts'
import { printAnswer } from '../../output.ts'
import { flexible, plainTable } from '../../plain-table.ts'
import { OUT_OPTION, printNewSecret } from '../../print-new-secret.ts'
import type { Session } from '../../session.ts'
import { addSecretCommands } from './partner-secrets.ts'

export const partnersCommand: CommandRegistration = (program, run) => {
  const partners = program.command('partners').description('partners, their first billed month and their secrets')
  withExamples(
    partners
      .command('list')
      .description('list all partners by name')
      .action(() => run(listPartners)),
    ['meterline partners list', 'with the first billed and the last closed month'],
  )
  withExamples(
    partners
      .command('show <partner>')
      .description('show a partner and its secrets, without the secrets themselves')
      .action((id: string) => run((session) => showPartner(session, id))),
    ['meterline partners show ps_1', 'its secrets, and when each was last used'],
  )
  withExamples(
    partners
      .command('create <name>')
      .description('create a partner; its secret is shown once')
      .option('--mode <mode>', PARTNER_MODES.join(' or '), PARTNER_MODES[0])
      .option(...OUT_OPTION)
      .action((name: string, own: CreateOptions) => run((session) => createPartner(session, name, own))),
    ['meterline partners create "Acme Cloud"', 'prints the secret'],
    ['meterline partners create "Acme Cloud" --mode co-branded --out acme.secret', 'writes it to a file'],
  )
  withExamples(
    partners
      .command('update <partner>')
      .description('set the first month that has a statement, as long as none is closed')
      .requiredOption('--billing-from <month>', 'YYYY-MM')
      .action((id: string, own: UpdateOptions) => run((session) => setBillingFrom(session, id, own))),
    ['meterline partners update ps_1 --billing-from 2026-01', 'the first month that is billed'],
  )
  withExamples(
    partners
      .command('disable <partner>')
      .description('stop a partner from calling the API; its usage still counts and its months still close')
      .action((id: string) => run((session) => disablePartner(session, id))),
    ['meterline partners disable ps_1', 'asks first'],
    ['meterline partners disable ps_1 --yes', 'in a script'],
  )
  withExamples(
    partners
      .command('enable <partner>')
      .description('let a disabled partner call the API again')
      .action((id: string) => run((session) => updatePartner(session, id, { disabled: false }))),
    ['meterline partners enable ps_1', 'with the secrets that it had'],
  )
  addSecretCommands(partners, run)
}

interface CreateOptions {
  readonly mode: string
  readonly out?: string
}

interface UpdateOptions {
  readonly billingFrom: string
}

type Partner = AnswerOf<typeof GET_PARTNER>['partner']

/** Throws CliError. */
async function listPartners(session: Session): Promise<void> {
  const { answer, text } = await callForList(connect(session, ['admin']), LIST_PARTNERS, { rows: 'partners' })
  printAnswer(session, text, () => {
    if (answer.partners.length === 0) return ['There is no partner.']
    const rows = answer.partners.map((each) => [
      ...[each.id, each.name, each.mode, each.billing_from ?? 'not billed', each.closed_through ?? 'none'],
      each.disabled_at === null ? 'enabled' : `disabled since ${each.disabled_at}`,
    ])
    return [plainTable(['partner', flexible('name'), 'mode', 'billed from', 'closed through', flexible('state')], rows)]
  })
}

/** Throws CliError. */
async function showPartner(session: Session, partnerId: string): Promise<void> {
  const { answer, text } = await callForText(connect(session, ['admin']), GET_PARTNER, { params: { partnerId } })
  printAnswer(session, text, () => {
    const rows = answer.secrets.map((each) => [
      ...[each.id, `${each.prefix}…${each.last_four}`, each.created_at, each.last_used_at ?? 'never'],
      each.revoked_at === null ? (each.expires_at ?? 'never') : `revoked at ${each.revoked_at}`,
    ])
    return [...linesOf(answer.partner), plainTable(['secret', 'begins and ends', 'created', 'last used', 'expires'], rows)]
  })
}

function linesOf({ id, name, mode, billing_from, closed_through, disabled_at, created_at }: Partner): string[] {
  return fieldLines({ id, name, mode, billing_from, closed_through, disabled_at, created_at })
}

/** Throws CliError. */
async function createPartner(session: Session, name: string, { mode, out }: CreateOptions): Promise<void> {
  const connection = connect(session, ['admin'])
  // A wrong mode is reported by the service itself.
  const body = { name, mode } as RequestInput<typeof CREATE_PARTNER>['body']
  await printNewSecret(session, out, {
    create: () => callForText(connection, CREATE_PARTNER, { body }),
    member: 'secret',
    fields: ({ partner }) => ({ ...partner }),
    ifLost: 'Find the partner with "meterline partners list", then create another secret with "meterline partners rotate".',
  })
}

/** All months from the first one on are closed, and closed months never change: one in the distant past is confirmed. Throws CliError. */
async function setBillingFrom(session: Session, partnerId: string, { billingFrom }: UpdateOptions): Promise<void> {
  const month = parseMonth(billingFrom)
  if (month === undefined) throw usageError(`--billing-from "${billingFrom}" is not a month as YYYY-MM.`)
  const months = monthsAgo(month, Date.now())
  const isFarBack = months > MONTHS_BACK_MAX
  if (isFarBack) await confirm(session, `${month} is ${counted(months, 'month')} ago, and all of these months will be closed permanently. Bill from then on?`)
  await updatePartner(session, partnerId, { billing_from: month, ...(isFarBack ? { confirm: true } : {}) })
}

async function disablePartner(session: Session, partnerId: string): Promise<void> {
  if (session.yes !== true) {
    const { partner } = await call(connect(session, ['admin']), GET_PARTNER, { params: { partnerId } })
    await confirm(session, `Disable ${partner.name} (${partnerId})? It cannot call the API until it is enabled.`)
  }
  await updatePartner(session, partnerId, { disabled: true })
}

async function updatePartner(session: Session, partnerId: string, body: RequestInput<typeof UPDATE_PARTNER>['body']): Promise<void> {
  const { answer, text } = await callForText(connect(session, ['admin']), UPDATE_PARTNER, { params: { partnerId }, body })
  printAnswer(session, text, () => linesOf(answer.partner))
}
