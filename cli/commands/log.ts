import { LIST_LOGS, REPARTITION_TOPIC, RESET_LOG } from '../../contract/logs.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import type { CommandRegistration } from '../command.ts'
import { call, readEndpoint } from '../http-client.ts'
import { type OutputOptions, printResult } from '../output.ts'
import { plainTable } from '../plain-table.ts'

export const logCommand: CommandRegistration = (program, run) => {
  const log = program.command('log').description('the event logs: one for each partition of the Kafka topic')
  log
    .command('list')
    .description('list the logs with their offsets, reconciled position and owner')
    .action(() => run(listLogs))
  log
    .command('reset <log>')
    .description('recover from an incident: read this log ("all": every log) again from the earliest event that still exists')
    .action((name: string) => run((environment, options) => resetLog(environment, name, options)))
  log
    .command('repartition')
    .description('continue after the topic has got more partitions')
    .action(() => run(repartitionLogs))
}

/** Lists the logs with their offsets, position and owner. Throws CliError. */
async function listLogs(environment: NodeJS.ProcessEnv, options: OutputOptions): Promise<void> {
  const { logs } = await call(readEndpoint(environment), LIST_LOGS)
  printResult(options, { logs }, () => {
    const rows = logs.map(({ log, begin, end, settled_through, as_of, owner, released }) => [
      ...[log, `${begin} … ${end - 1}`, settled_through, as_of ?? 'unknown', released ? 'none' : owner],
    ])
    return [plainTable(['log', 'offsets', 'counted through', 'complete up to', 'owner'], rows)]
  })
}

/** Recovers from an incident. Throws CliError. */
async function resetLog(environment: NodeJS.ProcessEnv, log: string, options: OutputOptions): Promise<void> {
  const answer = await call(readEndpoint(environment), RESET_LOG, { params: { log } })
  printResult(options, answer, () => linesOf(answer))
}

/** Pins the number of partitions that the topic has now. Throws CliError. */
async function repartitionLogs(environment: NodeJS.ProcessEnv, options: OutputOptions): Promise<void> {
  const answer = await call(readEndpoint(environment), REPARTITION_TOPIC)
  printResult(options, answer, () => linesOf(answer))
}

function linesOf({ topic, incarnation, starts }: AnswerOf<typeof RESET_LOG>): string[] {
  return [`${topic} now has incarnation ${incarnation}`, ...starts.map((start, partition) => `  partition ${partition} is read from offset ${start}`)]
}
