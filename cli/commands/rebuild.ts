import { REBUILD_MONTH } from '../../contract/rebuilds.ts'
import { counted } from '../../metering/counted.ts'
import { parseMonth } from '../../metering/month.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect } from '../connection/connect.ts'
import { completeFrom, ENV_FILE, type EnvFileOptions } from '../env-file.ts'
import { CliError } from '../errors.ts'
import { call } from '../http-client.ts'
import { printResult } from '../output.ts'
import type { Session } from '../session.ts'

export const rebuildCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('rebuild')
      .description('rebuild the rollup of a month from the raw events; ingestion waits meanwhile')
      .requiredOption('--month <month>', 'YYYY-MM')
      .option('--offline', 'work in this process while no process that counts events is running (configuration: environment variables)')
      .option(...ENV_FILE)
      .action((own: RebuildOptions) => run((session) => rebuild({ ...session, environment: completeFrom(own, session.environment) }, own))),
    ['meterline rebuild --month 2026-01', 'while the service runs'],
    ['meterline rebuild --month 2026-01 --offline --env-file .env', 'while it does not'],
  )
}

interface RebuildOptions extends EnvFileOptions {
  readonly month: string
  /** In this process, because no service runs. */
  readonly offline?: boolean
}

/** Rebuilds a month's rollup from raw, in the service or in this process. Throws CliError. */
async function rebuild(session: Session, { month, offline }: RebuildOptions): Promise<void> {
  const answer = offline === true ? await rebuildHere(session.environment, month) : await call(connect(session, ['admin']), REBUILD_MONTH, { body: { month } })
  printResult(session, answer, () => [
    answer.keys === 0
      ? `Raw has no events of ${answer.month}; its rollup is empty.`
      : `The rollup of ${answer.month} is rebuilt: ${counted(answer.events, 'event')}, ${counted(answer.keys, 'daily total')}.`,
    `${counted(answer.differences_before, 'daily total')} differed before.`,
  ])
}

async function rebuildHere(environment: NodeJS.ProcessEnv, text: string) {
  const month = parseMonth(text)
  if (month === undefined) throw new CliError('--month must be a calendar month as YYYY-MM.')
  return (await import('../../service/rebuild-offline.ts')).rebuildOffline(environment, month)
}
