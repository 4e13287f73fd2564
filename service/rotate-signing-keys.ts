import { type RunningJob, repeat } from '../aggregator/repeat.ts'
import type { Logger } from '../metering/logger.ts'
import { makeDueSigningKey } from '../registry/keys/rotate-signing-key.ts'
import type { Registry } from '../registry/registry.ts'

/** Makes the first key that tokens are signed with before anybody asks for one, then rotates it by its age in days (0 is never). Throws StoreError. */
export async function rotateSigningKeysWhenDue(registry: Registry, { days, logger }: { days: number; logger: Logger }): Promise<RunningJob> {
  const rotate = async () => {
    const made = await makeDueSigningKey(registry, days)
    if (made !== undefined) logger.info({ kid: made.kid, signsFrom: new Date(made.signsFromMs).toISOString() }, 'a signing key was made')
  }
  await rotate()
  return repeat({ name: 'signing_keys', everyMs: LOOK_EVERY_MS, run: rotate, logger })
}

const LOOK_EVERY_MS = 10 * 60_000
