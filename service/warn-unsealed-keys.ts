import type { Logger } from '../metering/logger.ts'
import { countSealedByOtherKeys, totalOf } from '../registry/reencrypt.ts'
import type { Registry } from '../registry/registry.ts'

/**
 * Tells whoever exchanges MASTER_KEY, or has taken the previous one away too early, before somebody asks for what cannot be
 * opened any more. No reason to refuse the start: the rest works, and one row that was damaged must not hold it up. Throws StoreError.
 */
export async function warnUnsealedKeys(registry: Registry, logger: Pick<Logger, 'warn'>): Promise<void> {
  const counts = await countSealedByOtherKeys(registry)
  if (totalOf(counts) === 0) return
  logger.warn(
    { sealedOtherwise: counts },
    registry.masterKeys.previous === undefined
      ? 'some of what is kept is not sealed with MASTER_KEY, and may not open: give the key that sealed it as MASTER_KEY_PREVIOUS, then run "meterline keys rewrap"'
      : 'some of what is kept is not sealed with MASTER_KEY: run "meterline keys rewrap" before MASTER_KEY_PREVIOUS is taken away',
  )
}
