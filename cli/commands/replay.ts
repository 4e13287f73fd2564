import { REPLAY_LOG } from '../../contract/logs.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect } from '../connection/connect.ts'
import { callForText } from '../http-client.ts'
import { printAnswer } from '../output.ts'
import type { Session } from '../session.ts'

export const replayCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('replay')
      .description('read the Kafka topic again; counts nothing twice')
      .requiredOption('--from <time|offset>', 'an RFC 3339 date-time, or an offset')
      .option('--log <log>', 'one log only, as "meterline log list" names it')
      .action((own: ReplayOptions) => run((session) => replay(session, own))),
    ['meterline replay --from 2026-01-31T00:00:00Z', 'everything since then'],
    ['meterline replay --from 120000 --log usage/3', 'one log, from an offset'],
  )
}

interface ReplayOptions {
  readonly from: string
  readonly log?: string
}

/** Requests that logs are read again. Throws CliError. */
async function replay(session: Session, { from, log }: ReplayOptions): Promise<void> {
  const { answer, text } = await callForText(connect(session, ['admin']), REPLAY_LOG, { body: { from, log } })
  const { replays } = answer
  printAnswer(session, text, () => replays.map(({ log: name, from_offset }) => `${name} will be read again from offset ${from_offset}; nothing counts twice`))
}
