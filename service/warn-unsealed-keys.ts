import type { Logger } from '../metering/logger.ts'
import { countSealedByOtherKeys, totalOf } from '../registry/reencrypt.ts'
import type { Registry } from '../registry/registry.ts'

/**
 * Warns at the start if some data is not sealed with MASTER_KEY: while the key is being changed, or after MASTER_KEY_PREVIOUS was
 * removed too early, the operator should know before a caller requests data that cannot be decrypted. It does not fail the start:
 * the rest works, and one damaged row must not stop the service. Throws StoreError.
 */
export async function warnUnsealedKeys(registry: Registry, logger: Pick<Logger, 'warn'>): Promise<void> {
  const counts = await countSealedByOtherKeys(registry)
  if (totalOf(counts) === 0) return
  logger.warn(
    { sealedWithOtherKeys: counts },
    registry.masterKeys.previous === undefined
      ? 'some data is not sealed with MASTER_KEY and cannot be decrypted: set MASTER_KEY_PREVIOUS to the key that sealed it, then run "meterline keys rewrap"'
      : 'some data is not sealed with MASTER_KEY: run "meterline keys rewrap" before you remove MASTER_KEY_PREVIOUS',
  )
}
