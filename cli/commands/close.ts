import type { Endpoint } from '../../contract/client.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { LIST_PARTNERS } from '../../contract/partners.ts'
import { CLOSE_MONTH } from '../../contract/statements.ts'
import { counted } from '../../metering/counted.ts'
import { parseMonth } from '../../metering/month.ts'
import { confirm } from '../ask.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect } from '../connection/connect.ts'
import { CliError, EXIT } from '../errors.ts'
import { call, callForList } from '../http-client.ts'
import { printNote, printResult } from '../output.ts'
import { flexible, plainTable } from '../plain-table.ts'
import type { Session } from '../session.ts'

export const closeCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('close')
      .description('close a month, of one partner or of all; a closed statement never changes')
      .requiredOption('--month <month>', 'YYYY-MM')
      .option('--partner <id>', 'one partner only')
      .action((own: CloseOptions) => run((session) => close(session, own))),
    ['meterline close --month 2026-01', 'of all partners; asks first'],
    ['meterline close --month 2026-01 --yes', 'in a script'],
    ['meterline close --month 2026-01 --partner p_1', 'of one partner'],
  )
}

interface CloseOptions {
  readonly month: string
  readonly partner?: string
}

type Partners = AnswerOf<typeof LIST_PARTNERS>['partners']

interface Closing {
  readonly partner_id: string
  readonly name: string
  readonly closed: boolean
  /** False if the month is before the partner's first billed month: then there is nothing to close. */
  readonly billed: boolean
  /** The hash of the statement, or the reason why there is none. */
  readonly outcome: string
}

/** Closes a month of one partner, or of all partners. Throws CliError if it could not be closed for one of them. */
async function close(session: Session, { month, partner }: CloseOptions): Promise<void> {
  if (parseMonth(month) === undefined) throw new CliError(`"${month}" is not a month as YYYY-MM.`)
  const endpoint = connect(session, ['admin'])
  const { partners } = (await callForList(endpoint, LIST_PARTNERS, { rows: 'partners' })).answer
  const chosen = partner === undefined ? partners : [partners.find(({ id }) => id === partner) ?? { id: partner, name: '' }]
  if (partner === undefined) await confirmAll(session, partners, month)
  const closings: Closing[] = []
  for (const each of chosen) closings.push(await closeOne(endpoint, each, month))
  printResult(session, { month, closings }, () => {
    const rows = closings.map(({ partner_id, name, closed, billed, outcome }) => [
      partner_id,
      name,
      closed ? 'closed' : billed ? 'not closed' : 'not billed',
      outcome,
    ])
    return [plainTable(['partner', flexible('name'), month, flexible('')], rows)]
  })
  const failed = closings.filter(({ closed, billed }) => !closed && (billed || partner !== undefined)).length
  const exitCode = partner !== undefined && closings.some(({ billed }) => !billed) ? EXIT.notFound : EXIT.error
  const next = nextOfUnbilled(partners, closings, month)
  if (failed > 0) throw new CliError(`${failed} of ${closings.length} not closed.`, exitCode, { next })
  if (next !== undefined) printNote(session, next)
}

/** Closing is final, so it is confirmed for partners that were not named. Nothing is asked where no partner has an open statement of the month. */
async function confirmAll(session: Session, partners: Partners, month: string): Promise<void> {
  // Months as YYYY-MM are in the order of their texts.
  const open = partners.filter(
    ({ billing_from, closed_through }) => billing_from !== null && billing_from <= month && (closed_through === null || closed_through < month),
  ).length
  if (open === 0) return
  const others = partners.length - open
  const rest = others === 0 ? '' : ` (${counted(others, 'other')} not billed for it, or closed already)`
  await confirm(session, `Close ${month} for ${counted(open, 'partner')}${rest}? A closed month never changes.`)
}

/** How partners are billed for the month; undefined if all are. A partner with a closed month cannot be billed for earlier ones. */
function nextOfUnbilled(partners: Partners, closings: readonly Closing[], month: string): string | undefined {
  const unbilled = new Set(closings.filter(({ billed }) => !billed).map(({ partner_id }) => partner_id))
  // Months as YYYY-MM are in the order of their texts.
  const early = partners.filter(
    ({ id, billing_from, closed_through }) => unbilled.has(id) && closed_through === null && (billing_from === null || billing_from > month),
  )
  const [first] = early
  if (first === undefined) return undefined
  const id = early.length === 1 ? first.id : '<id>'
  return `To bill ${counted(early.length, 'partner')} from ${month} on: meterline partners update ${id} --billing-from ${month}`
}

async function closeOne(endpoint: Endpoint, { id, name }: { id: string; name: string }, month: string): Promise<Closing> {
  try {
    const { statement } = await call(endpoint, CLOSE_MONTH, { params: { partnerId: id, month } })
    return { partner_id: id, name, closed: true, billed: true, outcome: `sha256 ${statement.sha256}` }
  } catch (error) {
    // Without valid credentials the next calls would fail too.
    if (!(error instanceof CliError) || error.exitCode === EXIT.notAuthenticated) throw error
    return { partner_id: id, name, closed: false, billed: error.exitCode !== EXIT.notFound, outcome: error.message }
  }
}
