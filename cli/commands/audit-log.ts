import { type AuditEntry, type AuditHead, verifyAuditChain } from '../../contract/audit-chain.ts'
import { LIST_AUDIT_LOG } from '../../contract/audit-log.ts'
import type { Endpoint } from '../../contract/client.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { PAGE_ROWS_MAX } from '../../contract/pages.ts'
import { counted } from '../../metering/counted.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect } from '../connection/connect.ts'
import { CliError } from '../errors.ts'
import { call, callForText } from '../http-client.ts'
import { limitFrom } from '../limit-from.ts'
import { printAnswer, printResult } from '../output.ts'
import { flexible, plainTable } from '../plain-table.ts'
import type { Session } from '../session.ts'

export const auditLogCommand: CommandRegistration = (program, run) => {
  const auditLog = program.command('audit-log').description('the history of changes and secret reads, as a hash chain')
  withExamples(
    auditLog
      .command('list')
      .description('list the latest entries')
      .option('--limit <n>', 'number of entries, at most 100')
      .action((own: AuditLogOptions) => run((session) => listAuditLog(session, own))),
    ['meterline audit-log list --limit 20', 'the latest 20 changes'],
  )
  withExamples(
    auditLog
      .command('verify')
      .description('verify the chain from its first entry')
      .option('--head <end>', 'an end that this command printed earlier: detects whether entries were cut off since')
      .action((own: VerifyAuditLogOptions) => run((session) => verifyAuditLog(session, own))),
    ['meterline audit-log verify', 'from the first entry on'],
    ['meterline audit-log verify --head 120:<hash>', 'also that nothing was cut off since'],
  )
}

interface AuditLogOptions {
  readonly limit?: string
}

/** The latest entries. Throws CliError. */
async function listAuditLog(session: Session, { limit }: AuditLogOptions): Promise<void> {
  const { answer, text } = await callForText(connect(session, ['admin']), LIST_AUDIT_LOG, {
    query: { limit: limit === undefined ? undefined : limitFrom(limit, 'entries', PAGE_ROWS_MAX) },
  })
  const { entries } = answer
  printAnswer(session, text, () => {
    const rows = entries.map(({ seq, at, actor, action, subject, details }) => [String(seq), at, shortActor(actor), action, subject, shortDetails(details)])
    return [plainTable(['entry', 'at', flexible('who'), 'did', flexible('to'), flexible('details')], rows, [0])]
  })
}

interface VerifyAuditLogOptions {
  /** A head that was stored earlier, as this command prints it. */
  readonly head?: string
}

/** Verifies the chain of the whole log from its first entry. Throws CliError if it is broken. */
async function verifyAuditLog(session: Session, { head: noted }: VerifyAuditLogOptions): Promise<void> {
  const verdict = await verifyAuditChain(readEntries(connect(session, ['admin'])), noted === undefined ? undefined : headOf(noted))
  if (verdict.status === 'broken') throw new CliError(`The audit log is broken at entry ${verdict.seq}: ${verdict.reason}.`)
  const { entries, head } = verdict
  printResult(session, { entries, head: `${head.seq}:${head.hash}` }, () => [
    `${counted(entries, 'entry', 'entries')}, the chain is whole`,
    ...(noted !== undefined && headOf(noted).seq < head.seq ? [`entry ${headOf(noted).seq} matches the given head`] : []),
    ...(entries === 0 ? [] : [`it ends with ${head.seq}:${head.hash} (store this end elsewhere: "--head" detects later whether entries were cut off)`]),
  ])
}

type Entry = AnswerOf<typeof LIST_AUDIT_LOG>['entries'][number]

/** Lines that fit a screen; --json has everything. The beginning of a token's id identifies it. */
function shortActor(actor: string): string {
  return actor.replace(/^(admin:[^:]+:.{8}).+$/, '$1')
}

function shortDetails(details: Entry['details']): string {
  const text = [...JSON.stringify(details)]
  return text.length > DETAILS_CHARACTERS_MAX ? `${text.slice(0, DETAILS_CHARACTERS_MAX - 1).join('')}…` : text.join('')
}
const DETAILS_CHARACTERS_MAX = 60

async function* readEntries(endpoint: Endpoint): AsyncIterable<AuditEntry> {
  let cursor: string | null = '0'
  while (cursor !== null) {
    const page: AnswerOf<typeof LIST_AUDIT_LOG> = await call(endpoint, LIST_AUDIT_LOG, { query: { order: 'oldest', limit: PAGE_ROWS_MAX, cursor } })
    for (const { details, ...entry } of page.entries) yield { ...entry, details: JSON.stringify(details) }
    cursor = page.next_cursor
  }
}

function headOf(text: string): AuditHead {
  const match = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text)
  if (match === null) throw new CliError(`"${text}" is not an end of the audit log as "meterline audit-log verify" prints it (<entry>:<hash>).`)
  return { seq: Number(match[1]), hash: match[2] ?? '' }
}
