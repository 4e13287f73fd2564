import { LIST_UNREGISTERED_PROJECTS } from '../../contract/unregistered-projects.ts'
import type { CommandRegistration } from '../command.ts'
import { readEndpoint, readRows } from '../http-client.ts'
import { CliError, type OutputOptions, printResult } from '../output.ts'
import { plainTable } from '../plain-table.ts'

export const unregisteredCommand: CommandRegistration = (program, run) => {
  program
    .command('unregistered')
    .description('list projects that have usage but are not registered, so that no partner is billed for it')
    .option('--days <n>', 'UTC days up to today whose usage is counted; default 31')
    .option('--limit <n>', 'number of projects; default 100')
    .action((own: UnregisteredOptions) => run((environment, options) => listUnregistered(environment, { ...own, ...options })))
}

interface UnregisteredOptions extends OutputOptions {
  readonly days?: string
  readonly limit?: string
}

/** Lists them by id, from as many pages as it takes. Throws CliError. */
async function listUnregistered(environment: NodeJS.ProcessEnv, { days, limit = '100', ...options }: UnregisteredOptions): Promise<void> {
  if (!/^[1-9]\d{0,8}$/.test(limit)) throw new CliError(`"${limit}" is not a number of projects. Give a number from 1 on.`)
  const projects = await readRows(readEndpoint(environment), LIST_UNREGISTERED_PROJECTS, {
    query: { days },
    rowsOf: (page) => page.projects,
    rowsMax: Number(limit),
  })
  printResult(options, { projects }, () => {
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
    return [plainTable(['project', 'events', 'days', 'first day', 'last event at', 'ingest keys', 'similar ids'], rows)]
  })
}
