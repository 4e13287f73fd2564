import { z } from 'zod'
import { call, readServiceAddress } from './http-client.ts'
import { type OutputOptions, printResult } from './output.ts'

export interface RebuildOptions extends OutputOptions {
  readonly month: string
}

/** Has a month's rollup counted anew from raw. Throws CliError. */
export async function rebuild(environment: NodeJS.ProcessEnv, { month, ...options }: RebuildOptions): Promise<void> {
  const answer = RebuildAnswer.parse(await call(readServiceAddress(environment), 'POST', '/admin/v1/rebuilds', { month }))
  printResult(options, answer, () => [
    answer.keys === 0
      ? `Raw has no events of ${answer.month}; its rollup is empty.`
      : `The rollup of ${answer.month} is rebuilt: ${answer.events} events, ${answer.keys} daily totals.`,
    `${answer.differences_before} daily totals differed before.`,
  ])
}

const RebuildAnswer = z.object({ month: z.string(), keys: z.number(), events: z.number(), differences_before: z.number() })
