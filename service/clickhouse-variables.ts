import { z } from 'zod'
import { isHttpUrl } from './variable-schemas.ts'

/** The variables that say where ClickHouse is. */
export const CLICKHOUSE_VARIABLES = {
  CLICKHOUSE_URL: z
    .string()
    .refine(isHttpUrl, 'must be an http or https URL, such as http://user:password@host:8123/meterline')
    .optional()
    .meta({ description: 'URL of a ClickHouse server to use instead of the embedded engine; its path is the database, by default `meterline`' }),
  CLICKHOUSE_URLS: z
    .string()
    .transform((text) => text.split(',').map((url) => url.trim()))
    .refine((urls) => urls.every(isHttpUrl), 'must be a list of http or https URLs, separated by commas, such as http://user:password@host:8123/meterline')
    .refine(haveOneDatabase, 'must have the same database in every URL')
    .refine((urls) => new Set(urls).size === urls.length, 'lists a server twice')
    .optional()
    .meta({
      description:
        'instead of `CLICKHOUSE_URL`: the ordered list of the servers over which the event logs are distributed, separated by commas. It is pinned at the first start, and `meterline shard add` makes it longer; the first one has everything else ([operating/cluster.md](operating/cluster.md))',
    }),
  CLICKHOUSE_CLUSTER: z
    .string()
    .regex(/^[A-Za-z0-9_]{1,64}$/, 'must be 1 to 64 of the characters A-Z a-z 0-9 _')
    .default('meterline')
    .meta({ description: 'name of the cluster in `remote_servers` of the first server of `CLICKHOUSE_URLS`, which has the same servers in the same order' }),
  CLICKHOUSE_PASSWORD: z
    .string()
    .optional()
    .meta({ description: 'password of the user in `CLICKHOUSE_URL` or `CLICKHOUSE_URLS`, instead of one in the URL; only allowed with them. Never logged' }),
}

export interface ConfigProblem {
  readonly name: string
  readonly message: string
}

/** The first server of a list has all but the other servers' event logs, so it is the server wherever one is meant. */
export function withFirstServer(given: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const first = given['CLICKHOUSE_URLS']?.split(',')[0]?.trim()
  return first === undefined || !isHttpUrl(first) ? given : { CLICKHOUSE_URL: first, ...given }
}

/** The log of HTTP without Kafka is one log, so it cannot be distributed. */
export function serverProblems(given: Readonly<Record<string, string | undefined>>, usesKafka: boolean): ConfigProblem[] {
  if (given['CLICKHOUSE_URLS'] === undefined) return []
  return [
    ...(given['CLICKHOUSE_URL'] === undefined ? [] : [{ name: 'CLICKHOUSE_URLS', message: 'is set beside CLICKHOUSE_URL; set one of them' }]),
    ...(usesKafka && given['CLICKHOUSE_URLS'].includes(',') && given['KAFKA_BROKERS'] === undefined
      ? [{ name: 'KAFKA_BROKERS', message: 'is required when CLICKHOUSE_URLS lists several servers: without Kafka there is one log, which is on one server' }]
      : []),
  ]
}

export function passwordProblems(set: Readonly<Record<string, string | undefined>>): ConfigProblem[] {
  const { CLICKHOUSE_URL: url, CLICKHOUSE_URLS: urls = url, CLICKHOUSE_PASSWORD: password } = set
  if (password === undefined) return []
  if (url === undefined) return [{ name: 'CLICKHOUSE_PASSWORD', message: 'is only allowed with CLICKHOUSE_URL' }]
  const hasPassword = urls?.split(',').some((each) => URL.canParse(each) && new URL(each).password !== '')
  return hasPassword ? [{ name: 'CLICKHOUSE_PASSWORD', message: 'is set, and CLICKHOUSE_URL has a password too; set one of them' }] : []
}

function haveOneDatabase(urls: readonly string[]): boolean {
  return new Set(urls.filter((url) => URL.canParse(url)).map((url) => new URL(url).pathname)).size <= 1
}
