import { MASTER_KEY_BYTES, type MasterKeys, masterKeyFrom } from '../../../registry/keys/sealing.ts'
import { openRegistry } from '../../../registry/open-registry.ts'
import type { Registry } from '../../../registry/registry.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'

/** MASTER_KEY of a test service whose store a registry of the test opens, too. */
export const TEST_MASTER_KEY = Buffer.alloc(MASTER_KEY_BYTES, 7).toString('base64')

export const TEST_MASTER_KEYS: MasterKeys = { current: requireKey(), previous: undefined }

/** A registry as another process would open it, with a clock of its own. */
export function openTestRegistry(
  clickhouse: ClickHouse,
  { publicUrl = 'http://localhost', now }: { publicUrl?: string; now?: () => number } = {},
): Promise<Registry> {
  const projectHost = '{slug}.{region}.localhost'
  return openRegistry({ clickhouse, masterKeys: TEST_MASTER_KEYS, projectHost, publicUrl, provisions: false, now })
}

function requireKey() {
  const key = masterKeyFrom(TEST_MASTER_KEY)
  if (key === undefined) throw new Error('The key has another length.')
  return key
}
