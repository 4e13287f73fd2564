import { REPLAY_LOG } from '../../contract/logs.ts'
import type { CommandRegistration } from '../command.ts'
import { call, readEndpoint } from '../http-client.ts'
import { type OutputOptions, printResult } from '../output.ts'

export const replayCommand: CommandRegistration = (program, run) => {
  program
    .command('replay')
    .description('read the Kafka topic again; counts nothing twice')
    .requiredOption('--from <time|offset>', 'an RFC 3339 date-time, or an offset')
    .option('--log <log>', 'one log only, as "meterline log list" names it')
    .action((own: ReplayOptions) => run((environment, options) => replay(environment, { ...own, ...options })))
}

interface ReplayOptions extends OutputOptions {
  readonly from: string
  readonly log?: string
}

/** Requests that logs are read again. Throws CliError. */
async function replay(environment: NodeJS.ProcessEnv, { from, log, ...options }: ReplayOptions): Promise<void> {
  const { replays } = await call(readEndpoint(environment), REPLAY_LOG, { body: { from, log } })
  printResult(options, { replays }, () =>
    replays.map(({ log: name, from_offset }) => `${name} will be read again from offset ${from_offset}; nothing counts twice`),
  )
}
