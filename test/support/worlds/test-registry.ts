import { type MasterKeys, masterKeyFrom } from '../../../registry/keys/sealing.ts'
import { openRegistry } from '../../../registry/open-registry.ts'
import type { Registry } from '../../../registry/registry.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'

/** MASTER_KEY of test services, so that a test can open a registry on the same store. */
export const TEST_MASTER_KEY = Buffer.from('a master key for tests, 32 bytes').toString('base64')

export const TEST_MASTER_KEYS: MasterKeys = { current: requireKey(), previous: undefined }

/** Opens a registry as another process would, optionally with its own clock. */
export function openTestRegistry(
  clickhouse: ClickHouse,
  { publicUrl = 'http://localhost', now }: { publicUrl?: string; now?: () => number } = {},
): Promise<Registry> {
  const projectHost = '{slug}.{region}.localhost'
  return openRegistry({ clickhouse, masterKeys: TEST_MASTER_KEYS, projectHost, publicUrl, provisions: false, now })
}

function requireKey() {
  const key = masterKeyFrom(TEST_MASTER_KEY)
  if (key === undefined) throw new Error('The test key has the wrong length.')
  return key
}
