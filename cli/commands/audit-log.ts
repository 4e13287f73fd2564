import { z } from 'zod'
import { verifyAuditChain } from '../../registry/audit-chain.ts'
import type { AuditEntry, AuditHead } from '../../registry/audit-log.ts'
import type { CommandRegistration } from '../command.ts'
import { call, readServiceAddress, type ServiceAddress } from '../http-client.ts'
import { CliError, type OutputOptions, printResult } from '../output.ts'
import { plainTable } from '../plain-table.ts'

export const auditLogCommand: CommandRegistration = (program, run) => {
  const auditLog = program.command('audit-log').description('the history of changes and secret reads, as a hash chain')
  auditLog
    .command('list')
    .description('list the latest entries')
    .option('--limit <n>', 'number of entries, at most 100')
    .action((own: AuditLogOptions) => run((environment, options) => listAuditLog(environment, { ...own, ...options })))
  auditLog
    .command('verify')
    .description('verify the chain from its first entry')
    .option('--head <end>', 'an end that this command printed earlier: detects whether entries were cut off since')
    .action((own: VerifyAuditLogOptions) => run((environment, options) => verifyAuditLog(environment, { ...own, ...options })))
}

interface AuditLogOptions extends OutputOptions {
  readonly limit?: string
}

/** The latest entries. Throws CliError. */
async function listAuditLog(environment: NodeJS.ProcessEnv, { limit, ...options }: AuditLogOptions): Promise<void> {
  const query = limit === undefined ? '' : `?limit=${encodeURIComponent(limit)}`
  const { entries } = Page.parse(await call(readServiceAddress(environment), 'GET', `/admin/v1/audit-log${query}`))
  printResult(options, { entries }, () => {
    const rows = entries.map(({ seq, at, actor, action, subject, details }) => [String(seq), at, shortActor(actor), action, subject, shortDetails(details)])
    return [plainTable(['entry', 'at', 'who', 'did', 'to', 'details'], rows, [0])]
  })
}

interface VerifyAuditLogOptions extends OutputOptions {
  /** An end that was noted before, as this verb prints it. */
  readonly head?: string
}

/** Follows the chain of the whole log, from its first entry. Throws CliError where it is broken. */
async function verifyAuditLog(environment: NodeJS.ProcessEnv, { head: noted, ...options }: VerifyAuditLogOptions): Promise<void> {
  const verdict = await verifyAuditChain(readEntries(readServiceAddress(environment)), noted === undefined ? undefined : headOf(noted))
  if (verdict.status === 'broken') throw new CliError(`The audit log is broken at entry ${verdict.seq}: ${verdict.reason}.`)
  const { entries, head } = verdict
  printResult(options, { entries, head: `${head.seq}:${head.hash}` }, () => [
    `${entries} entries, the chain is whole`,
    ...(noted !== undefined && headOf(noted).seq < head.seq ? [`entry ${headOf(noted).seq} is as noted`] : []),
    ...(entries === 0 ? [] : [`it ends with ${head.seq}:${head.hash} (note it elsewhere: "--head" tells later whether the log was cut off)`]),
  ])
}

const Detail = z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())])
const Entry = z.object({
  seq: z.number(),
  at: z.string(),
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  details: z.record(z.string(), Detail),
  request_id: z.string(),
  previous_hash: z.string(),
  hash: z.string(),
})
const Page = z.object({ entries: z.array(Entry), next_cursor: z.string().nullable() })

/** Lines that fit a screen; --json keeps all. The id of a token is told by its beginning. */
function shortActor(actor: string): string {
  return actor.replace(/^(admin:[^:]+:.{8}).+$/, '$1')
}

function shortDetails(details: z.output<typeof Entry>['details']): string {
  const text = [...JSON.stringify(details)]
  return text.length > DETAILS_CHARACTERS_MAX ? `${text.slice(0, DETAILS_CHARACTERS_MAX - 1).join('')}…` : text.join('')
}
const DETAILS_CHARACTERS_MAX = 60

async function* readEntries(address: ServiceAddress): AsyncIterable<AuditEntry> {
  let cursor: string | null = '0'
  while (cursor !== null) {
    const page: z.output<typeof Page> = Page.parse(await call(address, 'GET', `/admin/v1/audit-log?order=oldest&limit=100&cursor=${cursor}`))
    for (const { details, ...entry } of page.entries) yield { ...entry, details: JSON.stringify(details) }
    cursor = page.next_cursor
  }
}

function headOf(text: string): AuditHead {
  const match = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text)
  if (match === null) throw new CliError(`"${text}" is not an end of the audit log as "meterline audit-log verify" prints it (<entry>:<hash>).`)
  return { seq: Number(match[1]), hash: match[2] ?? '' }
}
