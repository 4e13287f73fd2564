import { z } from 'zod'
import { call, readServiceAddress, type ServiceAddress } from './http-client.ts'
import { CliError, type OutputOptions, printResult } from './output.ts'

/** Has the service seal with MASTER_KEY what MASTER_KEY_PREVIOUS sealed, until nothing is left. Throws CliError when something stays. */
export async function rewrapKeys(environment: NodeJS.ProcessEnv, options: OutputOptions): Promise<void> {
  const answer = await untilNothingIsLeft(readServiceAddress(environment))
  printResult(options, answer, () => [
    ...Object.entries(answer.rewrapped).map(([kind, count]) => `${count} ${kind.replaceAll('_', ' ')} sealed anew with MASTER_KEY`),
    ...(answer.left === 0 ? ['Nothing is sealed with another key: when all processes have this MASTER_KEY, take MASTER_KEY_PREVIOUS away.'] : []),
  ])
  if (answer.left > 0)
    throw new CliError(
      `${answer.left} are still sealed with another key, which is neither MASTER_KEY nor MASTER_KEY_PREVIOUS. Set MASTER_KEY_PREVIOUS to the key that sealed them; take no key away.`,
    )
}

/** A call works for a minute at most. One that sealed nothing will not seal more the next time. */
async function untilNothingIsLeft(address: ServiceAddress): Promise<Answer> {
  const total: Record<string, number> = {}
  for (;;) {
    const { rewrapped, left } = Answer.parse(await call(address, 'POST', '/admin/v1/keys/rewrap'))
    for (const [kind, count] of Object.entries(rewrapped)) total[kind] = count + (total[kind] ?? 0)
    if (left === 0 || Object.values(rewrapped).every((count) => count === 0)) return { rewrapped: total, left }
  }
}

type Answer = z.output<typeof Answer>

const Answer = z.object({ rewrapped: z.record(z.string(), z.number()), left: z.number() })
