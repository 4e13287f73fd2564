import type { Endpoint } from '../../contract/client.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { REENCRYPT } from '../../contract/reencrypt.ts'
import { connect } from '../connection/connect.ts'
import { CliError } from '../errors.ts'
import { call } from '../http-client.ts'
import { printResult } from '../output.ts'
import type { Session } from '../session.ts'

type Answer = Omit<AnswerOf<typeof REENCRYPT>, 'rewrapped'> & { readonly rewrapped: Readonly<Record<string, number>> }

/** Re-encrypts with MASTER_KEY everything that MASTER_KEY_PREVIOUS sealed. Throws CliError if something neither key opens is left. */
export async function rewrapKeys(session: Session): Promise<void> {
  const answer = await reencryptAll(connect(session, ['admin']))
  printResult(session, answer, () => [
    ...Object.entries(answer.rewrapped).map(([kind, count]) => `${count} ${kind.replaceAll('_', ' ')} re-encrypted with MASTER_KEY`),
    ...(answer.left === 0 ? nextStep(answer) : []),
  ])
  if (answer.left > 0)
    throw new CliError(
      `${answer.left} are still sealed with a key that is neither MASTER_KEY nor MASTER_KEY_PREVIOUS. Set MASTER_KEY_PREVIOUS to the key that sealed them; remove no key.`,
    )
}

/** Removing the wrong one of the two keys would lose everything that it sealed, so both are named. */
function nextStep({ rewrapped, master_key, previous_key }: Answer): string[] {
  const all = `Everything is sealed with MASTER_KEY, which is the key ${master_key}.`
  if (previous_key === null) return [`${all} MASTER_KEY_PREVIOUS is not set: no change of the key is in progress.`]
  if (Object.values(rewrapped).every((count) => count === 0))
    return [
      `${all} There was nothing to do. Remove MASTER_KEY_PREVIOUS (${previous_key}) only if ${master_key} is the new key and all processes have it as MASTER_KEY.`,
    ]
  return [`${all} When all processes have it, remove MASTER_KEY_PREVIOUS (${previous_key}).`]
}

/** A call works for at most a minute. A call that re-encrypted nothing will not do more the next time. */
async function reencryptAll(endpoint: Endpoint): Promise<Answer> {
  const total: Record<string, number> = {}
  for (;;) {
    const { rewrapped, left, ...keys } = await call(endpoint, REENCRYPT)
    for (const [kind, count] of Object.entries(rewrapped)) total[kind] = count + (total[kind] ?? 0)
    if (left === 0 || Object.values(rewrapped).every((count) => count === 0)) return { rewrapped: total, left, ...keys }
  }
}
