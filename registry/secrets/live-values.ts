import type { RegistryReads } from '../changes.ts'
import { type MasterKeys, SealBroken } from '../keys/sealing.ts'
import { openValue } from './envelope.ts'
import { findSecrets, isLive } from './stored-secrets.ts'

export type SecretReading =
  | { readonly status: 'read'; readonly values: ReadonlyMap<string, string> }
  | { readonly status: 'unusable'; readonly key: string; readonly reason: 'missing' | 'inactive' | 'expired' | 'sealed' }

/**
 * The values of secrets for a background job that an operator set up. What uses the secret is in the audit log; each use is not, because a
 * job may run every second. `sealed`: the master keys do not open it. Throws StoreError.
 */
export async function readSecretValues(
  registry: RegistryReads & { readonly masterKeys: MasterKeys },
  keys: readonly string[],
  nowMs: number,
): Promise<SecretReading> {
  const found = keys.length === 0 ? new Map() : await findSecrets(registry, keys)
  const values = new Map<string, string>()
  for (const key of keys) {
    const secret = found.get(key)
    if (secret === undefined) return { status: 'unusable', key, reason: 'missing' }
    if (!isLive(secret, nowMs)) return { status: 'unusable', key, reason: secret.isActive ? 'expired' : 'inactive' }
    try {
      values.set(key, openValue(registry.masterKeys, secret, secret))
    } catch (thrown) {
      if (thrown instanceof SealBroken) return { status: 'unusable', key, reason: 'sealed' }
      throw thrown
    }
  }
  return { status: 'read', values }
}
