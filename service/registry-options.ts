import type { RegistryOptions } from '../registry/open-registry.ts'
import type { ClickHouse } from '../sql/clickhouse.ts'
import type { Config } from './config.ts'
import type { InstanceSecrets } from './instance-secrets.ts'

/** The options of the registry, from the configuration. */
export function registryOptionsOf(config: Config, clickhouse: ClickHouse, { masterKeys }: InstanceSecrets): RegistryOptions {
  return {
    clickhouse,
    masterKeys,
    projectHost: config.PROJECT_HOST,
    publicUrl: config.PUBLIC_URL ?? `http://${config.HOST}:${config.PORT}`,
    provisions: config.PROVISIONER !== 'none',
  }
}
