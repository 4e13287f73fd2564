import { z } from 'zod'
import type { CommandRegistration } from '../command.ts'
import { call, readServiceAddress } from '../http-client.ts'
import { CliError, EXIT, type OutputOptions, printResult } from '../output.ts'
import { plainTable } from '../plain-table.ts'
import { readPages } from '../read-pages.ts'

export const rejectedCommand: CommandRegistration = (program, run) => {
  const rejected = program.command('rejected').description('rejected events, which are kept with their reason')
  rejected
    .command('list')
    .description('list the latest rejected events')
    .option('--limit <n>', 'number of events; default 100')
    .action((own: RejectedOptions) => run((environment, options) => listRejected(environment, { ...own, ...options })))
  rejected
    .command('resend <id...>')
    .description('resubmit rejected events; they are treated as received now')
    .action((ids: string[]) => run((environment, options) => resendRejected(environment, ids, options)))
}

interface RejectedOptions extends OutputOptions {
  readonly limit?: string
}

/** The latest refusals, as many pages of them as `limit` takes. Throws CliError. */
async function listRejected(environment: NodeJS.ProcessEnv, { limit = '100', ...options }: RejectedOptions): Promise<void> {
  if (!/^[1-9]\d{0,8}$/.test(limit)) throw new CliError(`"${limit}" is not a number of events to list, from 1 on.`)
  const rejected_events = await readPages(readServiceAddress(environment), {
    path: '/admin/v1/rejected-events',
    rowsOf: (page) => RejectedAnswer.parse(page).rejected_events,
    limit: Number(limit),
  })
  printResult(options, { rejected_events }, () => {
    if (rejected_events.length === 0) return ['No event was refused.']
    const rows = rejected_events.map((each) => [each.id, each.reason, each.project_id, each.event_id, each.received_at, each.resent_at ?? 'no'])
    return [plainTable(['id', 'reason', 'project', 'event', 'received at', 'sent again'], rows)]
  })
}

/** Sends refusals through again. Throws CliError when one is refused again or not found: as "not found" when that is all that failed. */
async function resendRejected(environment: NodeJS.ProcessEnv, ids: readonly string[], options: OutputOptions): Promise<void> {
  const { events } = ResendAnswer.parse(await call(readServiceAddress(environment), 'POST', '/admin/v1/rejected-events/resend', { ids }))
  printResult(options, { events }, () => events.map(({ id, outcome, reason }) => `${id} ${outcome}${reason === null ? '' : ` (${reason})`}`))
  const failed = events.filter(({ outcome }) => outcome === 'rejected' || outcome === 'not_found')
  const exitCode = failed.every(({ outcome }) => outcome === 'not_found') ? EXIT.notFound : EXIT.error
  if (failed.length > 0) throw new CliError(`${failed.length} of ${events.length} events were not accepted.`, exitCode)
}

const RejectedAnswer = z.object({
  rejected_events: z.array(
    z.object({ id: z.string(), reason: z.string(), project_id: z.string(), event_id: z.string(), received_at: z.string(), resent_at: z.string().nullable() }),
  ),
})

const ResendAnswer = z.object({ events: z.array(z.object({ id: z.string(), outcome: z.string(), reason: z.string().nullable() })) })
