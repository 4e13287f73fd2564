import { REBUILD_MONTH } from '../../contract/rebuilds.ts'
import { parseMonth } from '../../metering/month.ts'
import type { CommandRegistration } from '../command.ts'
import { completeFrom, ENV_FILE, type EnvFileOptions } from '../env-file.ts'
import { call, readEndpoint } from '../http-client.ts'
import { CliError, type OutputOptions, printResult } from '../output.ts'

export const rebuildCommand: CommandRegistration = (program, run) => {
  program
    .command('rebuild')
    .description('rebuild the rollup of a month from the raw events; ingestion waits meanwhile')
    .requiredOption('--month <month>', 'YYYY-MM')
    .option('--offline', 'work in this process while no process that counts events is running (configuration: environment variables)')
    .option(...ENV_FILE)
    .action((own: RebuildOptions) => run((environment, options) => rebuild(completeFrom(own, environment), { ...own, ...options })))
}

interface RebuildOptions extends OutputOptions, EnvFileOptions {
  readonly month: string
  /** In this process, because no service runs. */
  readonly offline?: boolean
}

/** Rebuilds a month's rollup from raw, in the service or in this process. Throws CliError. */
async function rebuild(environment: NodeJS.ProcessEnv, { month, offline, ...options }: RebuildOptions): Promise<void> {
  const answer = offline === true ? await rebuildHere(environment, month) : await call(readEndpoint(environment), REBUILD_MONTH, { body: { month } })
  printResult(options, answer, () => [
    answer.keys === 0
      ? `Raw has no events of ${answer.month}; its rollup is empty.`
      : `The rollup of ${answer.month} is rebuilt: ${answer.events} events, ${answer.keys} daily totals.`,
    `${answer.differences_before} daily totals differed before.`,
  ])
}

async function rebuildHere(environment: NodeJS.ProcessEnv, text: string) {
  const month = parseMonth(text)
  if (month === undefined) throw new CliError('--month must be a calendar month as YYYY-MM.')
  return (await import('../../service/rebuild-offline.ts')).rebuildOffline(environment, month)
}
