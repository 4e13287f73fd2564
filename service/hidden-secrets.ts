import type { Config } from './config.ts'
import type { InstanceSecrets } from './instance-secrets.ts'
import { SECRET_VARIABLES } from './secret-files.ts'

/** A shorter text would also be a part of ordinary words, and no credential of a service may be so short. */
const SECRET_CHARACTERS_MIN = 8

/** The credentials of this process itself, none of which a line of its log may show. */
export function hiddenSecretsOf(config: Config, secrets: InstanceSecrets | undefined): string[] {
  const values: unknown[] = Object.entries(config).flatMap(([name, value]) => (SECRET_VARIABLES.some((each) => each === name) ? [value].flat() : []))
  return [...values, ...(config.CLICKHOUSE_URLS ?? [config.CLICKHOUSE_URL]).flatMap(passwordOf), secrets?.adminToken]
    .filter((secret) => typeof secret === 'string')
    .filter((secret) => secret.length >= SECRET_CHARACTERS_MIN)
}

/** As it is written in the URL, and as it is sent. */
function passwordOf(url: string | undefined): string[] {
  if (url === undefined) return []
  const { password } = new URL(url)
  try {
    return [password, decodeURIComponent(password)]
  } catch {
    return [password]
  }
}
