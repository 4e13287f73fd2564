import { z } from 'zod'
import { parseMonth } from '../../metering/month.ts'
import type { CommandRegistration } from '../command.ts'
import { call, readServiceAddress, type ServiceAddress } from '../http-client.ts'
import { CliError, EXIT, type OutputOptions, printResult } from '../output.ts'
import { plainTable } from '../plain-table.ts'
import { readPages } from '../read-pages.ts'

export const closeCommand: CommandRegistration = (program, run) => {
  program
    .command('close')
    .description('close a month, of one partner or of all; a closed statement never changes')
    .requiredOption('--month <month>', 'YYYY-MM')
    .option('--partner <id>', 'one partner only')
    .action((own: CloseOptions) => run((environment, options) => close(environment, { ...own, ...options })))
}

interface CloseOptions extends OutputOptions {
  readonly month: string
  readonly partner?: string
}

interface Closing {
  readonly partner_id: string
  readonly name: string
  readonly closed: boolean
  /** False before its first month that is billed: then there is nothing to close. */
  readonly billed: boolean
  /** The hash of the statement, or why there is none. */
  readonly outcome: string
}

/** Closes a month of one partner, or of all that have not closed it. Throws CliError when one of them is not closed. */
async function close(environment: NodeJS.ProcessEnv, { month, partner, ...options }: CloseOptions): Promise<void> {
  if (parseMonth(month) === undefined) throw new CliError(`"${month}" is not a month as YYYY-MM.`)
  const address = readServiceAddress(environment)
  const partners = await readPages(address, { path: '/admin/v1/partners', rowsOf: (page) => PartnersAnswer.parse(page).partners })
  const chosen = partner === undefined ? partners : [partners.find(({ id }) => id === partner) ?? { id: partner, name: '' }]
  const closings: Closing[] = []
  for (const each of chosen) closings.push(await closeOne(address, each, month))
  printResult(options, { month, closings }, () => {
    const rows = closings.map(({ partner_id, name, closed, billed, outcome }) => [
      partner_id,
      name,
      closed ? 'closed' : billed ? 'not closed' : 'not billed',
      outcome,
    ])
    return [plainTable(['partner', 'name', month, ''], rows)]
  })
  const failed = closings.filter(({ closed, billed }) => !closed && (billed || partner !== undefined)).length
  const exitCode = partner !== undefined && closings.some(({ billed }) => !billed) ? EXIT.notFound : EXIT.error
  if (failed > 0) throw new CliError(`${failed} of ${closings.length} not closed.`, exitCode)
}

async function closeOne(address: ServiceAddress, { id, name }: { id: string; name: string }, month: string): Promise<Closing> {
  try {
    const path = `/admin/v1/statements/${encodeURIComponent(id)}/${encodeURIComponent(month)}/close`
    const { statement } = ClosedAnswer.parse(await call(address, 'POST', path))
    return { partner_id: id, name, closed: true, billed: true, outcome: `sha256 ${statement.sha256}` }
  } catch (error) {
    // Without credentials no other will fare better.
    if (!(error instanceof CliError) || error.exitCode === EXIT.notAuthenticated) throw error
    return { partner_id: id, name, closed: false, billed: error.exitCode !== EXIT.notFound, outcome: error.message }
  }
}

const PartnersAnswer = z.object({ partners: z.array(z.object({ id: z.string(), name: z.string() })) })
const ClosedAnswer = z.object({ statement: z.object({ sha256: z.string() }) })
