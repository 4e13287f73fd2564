import type { Config } from './config.ts'
import type { InstanceSecrets } from './instance-secrets.ts'
import { SECRET_VARIABLES } from './secret-files.ts'

/** A shorter text would also be a part of ordinary words, and no credential of a service may be so short. */
const SECRET_CHARACTERS_MIN = 8

/** The credentials of this process itself, none of which a line of its log may show. */
export function hiddenSecretsOf(config: Config, secrets: InstanceSecrets | undefined): string[] {
  const values: unknown[] = Object.entries(config).flatMap(([name, value]) => (SECRET_VARIABLES.some((each) => each === name) ? [value].flat() : []))
  const inUrl = config.CLICKHOUSE_URL === undefined ? '' : decodeURIComponent(new URL(config.CLICKHOUSE_URL).password)
  return [...values, inUrl, secrets?.adminToken].filter((secret) => typeof secret === 'string').filter((secret) => secret.length >= SECRET_CHARACTERS_MIN)
}
