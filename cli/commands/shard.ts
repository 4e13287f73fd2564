import { counted } from '../../metering/counted.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { completeFrom, ENV_FILE, type EnvFileOptions } from '../env-file.ts'
import { CliError } from '../errors.ts'
import { printResult } from '../output.ts'
import type { Session } from '../session.ts'

export const shardCommand: CommandRegistration = (program, run) => {
  const shard = program.command('shard').description('work on one ClickHouse server of several (CLICKHOUSE_URLS)')
  withExamples(
    shard
      .command('restored')
      .description('make a shard that was restored from an older backup a part of the store again, while no process runs')
      .argument('<place>', 'its place in CLICKHOUSE_URLS; the first is 1')
      .option(...ENV_FILE)
      .action((place: string, own: EnvFileOptions) => run((session) => restored({ ...session, environment: completeFrom(own, session.environment) }, place))),
    ['meterline shard restored 2 --env-file .env', 'after the backup of the second server was restored, before any process starts'],
  )
}

/** Throws CliError, and Error with the reason. */
async function restored(session: Session, text: string): Promise<void> {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new CliError(`"${text}" is not a place in CLICKHOUSE_URLS, such as 2. The first is 1.`)
  const { admitShard } = await import('../../service/restored-shard.ts')
  const answer = await admitShard(session.environment, Number(text))
  printResult(session, answer, () => [
    `Shard ${answer.shard} is a part of the store again: ${counted(answer.logs, 'log')} and ${counted(answer.days, 'day')} of usage.`,
    'Start ingest now: it reads the events since the backup again, and as_of is empty until then. Then run "meterline audit".',
  ])
}
