import { LIST_UNREGISTERED_PROJECTS } from '../../contract/unregistered-projects.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect } from '../connection/connect.ts'
import { callForList } from '../http-client.ts'
import { limitFrom } from '../limit-from.ts'
import { printAnswer } from '../output.ts'
import { flexible, plainTable } from '../plain-table.ts'
import type { Session } from '../session.ts'

export const unregisteredCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('unregistered')
      .description('list projects that have usage but are not registered, so that no partner is billed for it')
      .option('--days <n>', 'UTC days up to today whose usage is counted; default 31')
      .option('--limit <n>', 'number of projects; default 100')
      .action((own: UnregisteredOptions) => run((session) => listUnregistered(session, own))),
    ['meterline unregistered', 'usage that no partner is billed for'],
    ['meterline unregistered --days 7 --limit 20', 'of the last week'],
  )
}

interface UnregisteredOptions {
  readonly days?: string
  readonly limit?: string
}

/** Lists them by id, from as many pages as it takes. Throws CliError. */
async function listUnregistered(session: Session, { days, limit = '100' }: UnregisteredOptions): Promise<void> {
  const rowsMax = limitFrom(limit, 'projects')
  const { answer, text } = await callForList(connect(session, ['admin']), LIST_UNREGISTERED_PROJECTS, {
    rows: 'projects',
    query: { days },
    rowsMax,
  })
  printAnswer(session, text, () => {
    const { projects } = answer
    if (projects.length === 0) return ['Every project with usage is registered.']
    const rows = projects.map((each) => [
      each.id,
      String(each.events),
      String(each.days),
      each.first_day,
      each.last_event_at,
      each.ingest_key_ids.join(' ') || 'unknown',
      each.similar_project_ids.join(' ') || 'none',
    ])
    return [plainTable(['project', 'events', 'days', 'first day', 'last event at', flexible('ingest keys'), flexible('similar ids')], rows)]
  })
}
