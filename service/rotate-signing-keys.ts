import { type RunningJob, repeat } from '../aggregator/repeat.ts'
import type { Logger } from '../metering/logger.ts'
import { makeDueSigningKey } from '../registry/keys/rotate-signing-key.ts'
import type { Registry } from '../registry/registry.ts'

/** Creates the first signing key before any token is requested, then rotates it when it is `days` old (0: never). Throws StoreError. */
export async function rotateSigningKeysWhenDue(registry: Registry, { days, logger }: { days: number; logger: Logger }): Promise<RunningJob> {
  const rotate = async () => {
    const created = await makeDueSigningKey(registry, days)
    if (created !== undefined) logger.info({ kid: created.kid, signsFrom: new Date(created.signsFromMs).toISOString() }, 'a signing key was created')
  }
  await rotate()
  return repeat({ name: 'signing_keys', everyMs: CHECK_EVERY_MS, run: rotate, logger })
}

const CHECK_EVERY_MS = 10 * 60_000
