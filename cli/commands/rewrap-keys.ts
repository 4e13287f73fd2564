import { z } from 'zod'
import { call, readServiceAddress, type ServiceAddress } from '../http-client.ts'
import { CliError, type OutputOptions, printResult } from '../output.ts'

/** Has the service seal with MASTER_KEY what MASTER_KEY_PREVIOUS sealed, until nothing is left. Throws CliError when something stays. */
export async function rewrapKeys(environment: NodeJS.ProcessEnv, options: OutputOptions): Promise<void> {
  const answer = await untilNothingIsLeft(readServiceAddress(environment))
  printResult(options, answer, () => [
    ...Object.entries(answer.rewrapped).map(([kind, count]) => `${count} ${kind.replaceAll('_', ' ')} sealed anew with MASTER_KEY`),
    ...(answer.left === 0 ? whatIsNext(answer) : []),
  ])
  if (answer.left > 0)
    throw new CliError(
      `${answer.left} are still sealed with another key, which is neither MASTER_KEY nor MASTER_KEY_PREVIOUS. Set MASTER_KEY_PREVIOUS to the key that sealed them; take no key away.`,
    )
}

/** Whoever took the wrong one of two keys away would lose all that it sealed: both are named, and nothing is said to be done that was not. */
function whatIsNext({ rewrapped, master_key, previous_key }: Answer): string[] {
  const all = `All that is sealed is sealed with MASTER_KEY, which is the key ${master_key}.`
  if (previous_key === null) return [`${all} There is no MASTER_KEY_PREVIOUS: this process is in no exchange.`]
  if (Object.values(rewrapped).every((count) => count === 0))
    return [
      `${all} There was nothing to do. MASTER_KEY_PREVIOUS (${previous_key}) can go only if ${master_key} is the new key, and all processes have it as MASTER_KEY.`,
    ]
  return [`${all} When all processes have it, take MASTER_KEY_PREVIOUS (${previous_key}) away.`]
}

/** A call works for a minute at most. One that sealed nothing will not seal more the next time. */
async function untilNothingIsLeft(address: ServiceAddress): Promise<Answer> {
  const total: Record<string, number> = {}
  for (;;) {
    const { rewrapped, left, ...keys } = Answer.parse(await call(address, 'POST', '/admin/v1/keys/rewrap'))
    for (const [kind, count] of Object.entries(rewrapped)) total[kind] = count + (total[kind] ?? 0)
    if (left === 0 || Object.values(rewrapped).every((count) => count === 0)) return { rewrapped: total, left, ...keys }
  }
}

type Answer = z.output<typeof Answer>

const Answer = z.object({ rewrapped: z.record(z.string(), z.number()), left: z.number(), master_key: z.string(), previous_key: z.string().nullable() })
