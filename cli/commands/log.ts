import { z } from 'zod'
import { call, readServiceAddress } from '../http-client.ts'
import { type OutputOptions, printResult } from '../output.ts'
import { plainTable } from '../plain-table.ts'

/** What the logs hold, how far they are settled, whose they are. Throws CliError. */
export async function listLogs(environment: NodeJS.ProcessEnv, options: OutputOptions): Promise<void> {
  const { logs } = LogsAnswer.parse(await call(readServiceAddress(environment), 'GET', '/admin/v1/logs'))
  printResult(options, { logs }, () => {
    const rows = logs.map(({ log, begin, end, settled_through, as_of, owner, released }) => [
      ...[log, `${begin} … ${end - 1}`, settled_through, as_of ?? 'not known yet', released ? 'nobody' : owner],
    ])
    return [plainTable(['log', 'holds', 'settled through', 'complete up to', 'owner'], rows)]
  })
}

/** Goes on after an incident. Throws CliError. */
export async function resetLog(environment: NodeJS.ProcessEnv, log: string, options: OutputOptions): Promise<void> {
  const answer = Incarnation.parse(await call(readServiceAddress(environment), 'POST', `/admin/v1/logs/${encodeURIComponent(log)}/reset`))
  printResult(options, answer, () => linesOf(answer))
}

/** Pins the number of partitions that the topic has now. Throws CliError. */
export async function repartitionLogs(environment: NodeJS.ProcessEnv, options: OutputOptions): Promise<void> {
  const answer = Incarnation.parse(await call(readServiceAddress(environment), 'POST', '/admin/v1/logs/repartition'))
  printResult(options, answer, () => linesOf(answer))
}

export interface ReplayOptions extends OutputOptions {
  readonly from: string
  readonly log?: string
}

/** Has logs read again. Throws CliError. */
export async function replay(environment: NodeJS.ProcessEnv, { from, log, ...options }: ReplayOptions): Promise<void> {
  const { replays } = ReplaysAnswer.parse(await call(readServiceAddress(environment), 'POST', '/admin/v1/replays', { from, log }))
  printResult(options, { replays }, () => replays.map(({ log: name, from_offset }) => `${name} is read again from offset ${from_offset}; nothing counts twice`))
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

const ReplaysAnswer = z.object({ replays: z.array(z.object({ id: z.string(), log: z.string(), from_offset: z.number() })) })

function linesOf({ topic, incarnation, starts }: z.output<typeof Incarnation>): string[] {
  return [`${topic} has incarnation ${incarnation} now`, ...starts.map((start, partition) => `  partition ${partition} is read from offset ${start}`)]
}
