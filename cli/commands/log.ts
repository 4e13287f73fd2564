import { z } from 'zod'
import type { CommandRegistration } from '../command.ts'
import { call, readServiceAddress } from '../http-client.ts'
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

/** What the logs hold, how far they are settled, whose they are. Throws CliError. */
async function listLogs(environment: NodeJS.ProcessEnv, options: OutputOptions): Promise<void> {
  const { logs } = LogsAnswer.parse(await call(readServiceAddress(environment), 'GET', '/admin/v1/logs'))
  printResult(options, { logs }, () => {
    const rows = logs.map(({ log, begin, end, settled_through, as_of, owner, released }) => [
      ...[log, `${begin} … ${end - 1}`, settled_through, as_of ?? 'not known yet', released ? 'nobody' : owner],
    ])
    return [plainTable(['log', 'holds', 'settled through', 'complete up to', 'owner'], rows)]
  })
}

/** Goes on after an incident. Throws CliError. */
async function resetLog(environment: NodeJS.ProcessEnv, log: string, options: OutputOptions): Promise<void> {
  const answer = Incarnation.parse(await call(readServiceAddress(environment), 'POST', `/admin/v1/logs/${encodeURIComponent(log)}/reset`))
  printResult(options, answer, () => linesOf(answer))
}

/** Pins the number of partitions that the topic has now. Throws CliError. */
async function repartitionLogs(environment: NodeJS.ProcessEnv, options: OutputOptions): Promise<void> {
  const answer = Incarnation.parse(await call(readServiceAddress(environment), 'POST', '/admin/v1/logs/repartition'))
  printResult(options, answer, () => linesOf(answer))
}

const LogsAnswer = z.object({
  logs: z.array(
    z.object({
      log: z.string(),
      begin: z.number(),
      end: z.number(),
      settled_through: z.number(),
      as_of: z.string().nullable(),
      owner: z.string(),
      released: z.boolean(),
    }),
  ),
})

const Incarnation = z.object({ topic: z.string(), incarnation: z.number(), partitions: z.number(), starts: z.array(z.number()) })

function linesOf({ topic, incarnation, starts }: z.output<typeof Incarnation>): string[] {
  return [`${topic} has incarnation ${incarnation} now`, ...starts.map((start, partition) => `  partition ${partition} is read from offset ${start}`)]
}
