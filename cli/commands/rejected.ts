import { DROP_REJECTED_EVENTS, LIST_REJECTED_EVENTS, RESEND_REJECTED_EVENTS } from '../../contract/rejected-events.ts'
import type { CommandRegistration } from '../command.ts'
import { call, readEndpoint, readRows } from '../http-client.ts'
import { CliError, EXIT, type OutputOptions, printResult } from '../output.ts'
import { plainTable } from '../plain-table.ts'

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
  rejected
    .command('drop')
    .description('delete the rejected events of past months; they cannot be resent afterwards')
    .requiredOption('--before <month>', 'the first month that is kept, YYYY-MM; at most the current one')
    .action((own: DropOptions) => run((environment, options) => dropRejected(environment, { ...own, ...options })))
}

interface DropOptions extends OutputOptions {
  readonly before: string
}

/** Deletes the rejected events that were received before a month. Throws CliError. */
async function dropRejected(environment: NodeJS.ProcessEnv, { before, ...options }: DropOptions): Promise<void> {
  const answer = await call(readEndpoint(environment), DROP_REJECTED_EVENTS, { body: { before } })
  printResult(options, answer, () => {
    if (answer.months.length === 0) return [`No event was rejected before ${before}.`]
    return answer.months.map(({ month, events }) => `${month}: ${events} rejected events dropped`)
  })
}

interface RejectedOptions extends OutputOptions {
  readonly limit?: string
}

/** Lists the latest rejected events, from as many pages as it takes. Throws CliError. */
async function listRejected(environment: NodeJS.ProcessEnv, { limit = '100', ...options }: RejectedOptions): Promise<void> {
  if (!/^[1-9]\d{0,8}$/.test(limit)) throw new CliError(`"${limit}" is not a number of events. Give a number from 1 on.`)
  const rejected_events = await readRows(readEndpoint(environment), LIST_REJECTED_EVENTS, { rowsOf: (page) => page.rejected_events, rowsMax: Number(limit) })
  printResult(options, { rejected_events }, () => {
    if (rejected_events.length === 0) return ['No event was rejected.']
    const rows = rejected_events.map((each) => [each.id, each.reason, each.project_id, each.event_id, each.received_at, each.resent_at ?? 'no'])
    return [plainTable(['id', 'reason', 'project', 'event', 'received at', 'resent'], rows)]
  })
}

/** Resubmits rejected events. Throws CliError if one is rejected again or not found: as "not found" if nothing else failed. */
async function resendRejected(environment: NodeJS.ProcessEnv, ids: readonly string[], options: OutputOptions): Promise<void> {
  const { events } = await call(readEndpoint(environment), RESEND_REJECTED_EVENTS, { body: { ids: [...ids] } })
  printResult(options, { events }, () => events.map(({ id, outcome, reason }) => `${id} ${outcome}${reason === null ? '' : ` (${reason})`}`))
  const failed = events.filter(({ outcome }) => outcome === 'rejected' || outcome === 'not_found')
  const exitCode = failed.every(({ outcome }) => outcome === 'not_found') ? EXIT.notFound : EXIT.error
  if (failed.length > 0) throw new CliError(`${failed.length} of ${events.length} events were not accepted.`, exitCode)
}
