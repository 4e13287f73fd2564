import { z } from 'zod'
import { forbiddenLiteral, NO_NETWORKS, parseCallableUrl, parseNetworks } from '../outgoing/public-address.ts'
import { parseSigningKeys } from '../outgoing/send-webhook.ts'
import { MASTER_KEY_BYTES, masterKeyFrom } from '../registry/keys/sealing.ts'

/** The configuration of the service. No other file knows the environment variables. */
export type Config = z.output<typeof ConfigSchema>

/** Reports all errors together, each with the name of its variable and what it should be. Throws ConfigError. */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  // Docker and shells pass an unset variable as an empty one.
  const set = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''))
  const parsed = ConfigSchema.safeParse(set)
  const between = errorsBetween(set)
  if (parsed.success && between.length === 0) return parsed.data
  const alone = parsed.success ? [] : parsed.error.issues.map(({ path, message }) => ({ name: path.join('.'), message }))
  throw new ConfigError([...alone, ...between].map(({ name, message }) => `${name}: ${message}`))
}

class ConfigError extends Error {
  constructor(mistakes: readonly string[]) {
    super(
      `Invalid configuration (${mistakes.length === 1 ? '1 error' : `${mistakes.length} errors`}):\n${mistakes.map((mistake) => `  ${mistake}`).join('\n')}`,
    )
    this.name = 'ConfigError'
  }
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
const SASL_MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const
const PROVISIONERS = ['none', 'webhook'] as const
const ADMIN_TOKEN_CHARACTERS_MIN = 32

const count = (what: string, max: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, `must be ${what}`)
    .transform(Number)
    .refine((value) => value <= max, `must be at most ${max}`)

/** A text that `parse` accepts; undefined is an error. */
const parsedBy = <T>(parse: (text: string) => T | undefined, message: string) =>
  z.string().transform((text, context) => {
    const value = parse(text)
    if (value !== undefined) return value
    context.addIssue({ code: 'custom', message })
    return z.NEVER
  })

/** It is sent in a header after "Bearer ": a token with a space could never be used. This holds for the file in DATA_DIR too. */
export const AdminToken = z
  .string()
  .min(ADMIN_TOKEN_CHARACTERS_MIN, `must have at least ${ADMIN_TOKEN_CHARACTERS_MIN} characters`)
  .regex(/^[!-~]*$/, 'must consist of printable ASCII characters without spaces')

export const ConfigSchema = z.object({
  HOST: z.string().default('127.0.0.1').meta({ description: 'address to listen on; `0.0.0.0` for all addresses of the machine' }),
  PORT: count('a port number', 65_535).default(8080).meta({ description: 'port to listen on; 0 takes a free one' }),
  DATA_DIR: z.string().default('./data').meta({ description: "directory of the embedded engine's data and of the files `admin-token` and `master-key`" }),
  CLICKHOUSE_URL: z
    .string()
    .refine(isHttpUrl, 'must be an http or https URL, such as http://user:password@host:8123/meterline')
    .optional()
    .meta({ description: 'a ClickHouse server instead of the embedded engine; the path is the database, `meterline` if there is none' }),
  KAFKA_BROKERS: z
    .string()
    .transform((text) => text.split(',').map((broker) => broker.trim()))
    .refine((brokers) => brokers.every((broker) => /^[^\s:/]+:\d{1,5}$/.test(broker)), 'must be a list of host:port, separated by commas')
    .optional()
    .meta({ description: '`host:port`, separated by commas: events over HTTP are produced to the topic, and the events of the topic are counted' }),
  KAFKA_TOPIC: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,200}$/, 'must be 1 to 200 of the characters A-Z a-z 0-9 . _ -')
    .default('usage-events')
    .meta({ description: 'the topic; it is created if it is missing' }),
  KAFKA_GROUP: z
    .string()
    .default('meterline-ingest')
    .meta({ description: 'the consumer group; it only distributes partitions, offsets are stored in ClickHouse' }),
  KAFKA_PARTITIONS: count('a number of partitions', 10_000)
    .refine((value) => value > 0, 'must be at least 1')
    .default(4)
    .meta({ description: 'number of partitions of a topic that is created; the number of the first start is pinned' }),
  KAFKA_SSL: z
    .enum(['true', 'false'], 'must be true or false')
    .transform((text) => text === 'true')
    .default(false)
    .meta({ description: 'whether to use TLS to the brokers: `true` or `false`' }),
  KAFKA_SASL_MECHANISM: z
    .enum(SASL_MECHANISMS, `must be one of ${SASL_MECHANISMS.join(', ')}`)
    .optional()
    .meta({ description: 'plain, scram-sha-256 or scram-sha-512' }),
  KAFKA_USERNAME: z.string().optional().meta({ description: 'required with `KAFKA_SASL_MECHANISM`' }),
  KAFKA_PASSWORD: z.string().optional().meta({ description: 'required with `KAFKA_SASL_MECHANISM`; never logged' }),
  ADMIN_TOKEN: AdminToken.optional().meta({
    description: 'token of the operators, at least 32 printable ASCII characters without spaces; unset: created in `DATA_DIR`. Required with `CLICKHOUSE_URL`',
  }),
  MASTER_KEY: z
    .string()
    .refine((text) => masterKeyFrom(text) !== undefined, `must be ${MASTER_KEY_BYTES} bytes in base64; "openssl rand -base64 ${MASTER_KEY_BYTES}" prints some`)
    .optional()
    .meta({
      description:
        '32 bytes in base64 that seal keys, secrets and the pepper of credentials; unset: created in `DATA_DIR`. Required with `CLICKHOUSE_URL`. It can be changed without downtime: [operating/keys.md](operating/keys.md)',
    }),
  MASTER_KEY_PREVIOUS: z
    .string()
    .refine((text) => masterKeyFrom(text) !== undefined, `must be ${MASTER_KEY_BYTES} bytes in base64: the other key while MASTER_KEY is being changed`)
    .optional()
    .meta({ description: 'the other key while `MASTER_KEY` is being changed: it decrypts and encrypts nothing new' }),
  PUBLIC_URL: z
    .string()
    .refine(isHttpUrl, 'must be an http or https URL, such as https://usage.example.com')
    .transform((text) => text.replace(/\/+$/, ''))
    .optional()
    .meta({
      description:
        'where the service is reached from outside: the issuer of its tokens, the same for all processes; changing it invalidates all tokens. Unset: http://HOST:PORT',
    }),
  SIGNING_KEY_DAYS: count('a number of days, 0 for never', 3_650)
    .default(30)
    .meta({ description: 'age in days at which the signing key is rotated; 0 is never (then by `meterline keys rotate`)' }),
  PROJECT_HOST: z
    .string()
    .refine((text) => text.includes('{slug}'), 'must contain {slug}, and may contain {region}')
    .default('{slug}.{region}.localhost')
    .meta({ description: 'host of a project; `{slug}` and `{region}` are filled in' }),
  PROVISIONER: z
    .enum(PROVISIONERS, `must be one of ${PROVISIONERS.join(', ')}`)
    .default('none')
    .meta({ description: 'who is notified of changes to projects: none or webhook ([operating/provisioner.md](operating/provisioner.md))' }),
  PROVISIONER_URL: parsedBy(parseCallableUrl, 'must be an http or https URL without a user or password in it')
    .optional()
    .meta({ description: 'http or https URL that the webhook calls; required with `PROVISIONER=webhook`' }),
  PROVISIONER_SECRET: parsedBy(
    parseSigningKeys,
    'must be whsec_ and 24 to 64 bytes in base64, at most 5 of them separated by commas; "echo whsec_$(openssl rand -base64 32)" prints one',
  )
    .optional()
    .meta({
      description:
        'signs the webhook (Standard Webhooks): `whsec_` and 24 to 64 bytes in base64. Several, separated by commas, all sign, so that one can be rotated without a gap. Never logged',
    }),
  OUTGOING_ALLOW: parsedBy(parseNetworks, 'must be a list of at most 100 CIDRs separated by commas, such as 10.1.0.0/16,fd00:1::/64')
    .default(NO_NETWORKS)
    .meta({ description: 'networks that may be called although they are not public: CIDRs, separated by commas' }),
  TRUSTED_PROXIES: z
    .string()
    .refine((text) => parseNetworks(text) !== undefined, 'must be a list of CIDRs separated by commas, such as 10.0.0.0/8,fd00::/8')
    .transform((text) => text.split(',').map((network) => network.trim()))
    .default([])
    .meta({ description: 'networks of reverse proxies, CIDRs separated by commas: the address of a client is taken from their `X-Forwarded-For`' }),
  CURRENCY: z
    .string()
    .regex(/^[A-Z]{3}$/, 'must be a currency code of ISO 4217, such as USD')
    .default('USD')
    .meta({ description: 'currency of the costs in FOCUS exports, ISO 4217; costs are 0 until there is a rate card' }),
  CLOSE_GRACE_HOURS: count('a number of hours', 1e9).default(72).meta({ description: 'hours after its end until a month is closed automatically' }),
  RATE_LIMIT_PER_MINUTE: count('a number of requests, 0 for no limit', 1e9)
    .default(1_200)
    .meta({ description: 'requests per credential and minute; 0 is no limit' }),
  EVENT_REQUESTS_PER_MINUTE: count('a number of requests, 0 for no limit', 1e9).default(60_000).meta({ description: 'the same for `POST /v1/events`' }),
  READ_ROWS_MAX: count('a number of rows', 999_999_999)
    .refine((value) => value > 0, 'must be at least 1')
    .default(200_000_000)
    .meta({ description: 'rows that one query of a partner, an emitter or finance may read; a larger one is `QUERY_TOO_LARGE`' }),
  CORS_ORIGINS: z
    .string()
    .transform((text) => text.split(',').map((origin) => origin.trim()))
    .refine((origins) => origins.every(isOrigin), 'must be a list of origins separated by commas, such as https://console.example.com: no path, no *')
    .default([])
    .meta({ description: 'origins whose web pages may call the API, separated by commas, without a path' }),
  AUTH_FAILURES_PER_MINUTE: count('a number of wrong credentials, 0 for no limit', 1e9).default(30).meta({
    description:
      'different wrong credentials from one address and minute before unknown ones from there are rejected without a look-up (429 `GUESSING_BRAKE`); 0 is no limit',
  }),
  LOG_LEVEL: z
    .enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`)
    .default('info')
    .meta({ description: 'fatal, error, warn, info, debug, trace or silent' }),
})

/** Errors that involve two variables. It works on the texts as they are set, so that these errors are reported beside those of single variables. */
function errorsBetween(set: Readonly<Record<string, string | undefined>>): ConfigMistake[] {
  const goesWith = (name: string, wanted: boolean, whenWanted: string, otherwise: string): ConfigMistake[] =>
    wanted === (set[name] !== undefined) ? [] : [{ name, message: wanted ? `is required ${whenWanted}` : `is only allowed with ${otherwise}` }]
  const isSasl = set['KAFKA_SASL_MECHANISM'] !== undefined
  const isWebhook = set['PROVISIONER'] === 'webhook'
  // An unknown PROVISIONER is reported by the schema; skip the checks that depend on it.
  const isProvisionerKnown = set['PROVISIONER'] === undefined || PROVISIONERS.some((name) => name === set['PROVISIONER'])
  return [
    ...['KAFKA_USERNAME', 'KAFKA_PASSWORD'].flatMap((name) => goesWith(name, isSasl, 'with KAFKA_SASL_MECHANISM', 'KAFKA_SASL_MECHANISM')),
    ...(isProvisionerKnown ? ['PROVISIONER_URL', 'PROVISIONER_SECRET'] : []).flatMap((name) =>
      goesWith(name, isWebhook, 'when PROVISIONER is webhook', 'PROVISIONER=webhook'),
    ),
    ...(isPrivate(set) ? [{ name: 'PROVISIONER_URL', message: 'is an address that is not public; add its network to OUTGOING_ALLOW' }] : []),
    // Created in DATA_DIR they would differ between processes, and no process could decrypt what another one sealed.
    ...['ADMIN_TOKEN', 'MASTER_KEY'].flatMap((name) =>
      set['CLICKHOUSE_URL'] !== undefined && set[name] === undefined ? [{ name, message: 'is required when CLICKHOUSE_URL is set' }] : [],
    ),
    ...(set['MASTER_KEY_PREVIOUS'] !== undefined && set['MASTER_KEY_PREVIOUS'] === set['MASTER_KEY']
      ? [{ name: 'MASTER_KEY_PREVIOUS', message: 'is the same as MASTER_KEY; it must be the other key of the change (docs/operating/keys.md)' }]
      : []),
  ]
}

interface ConfigMistake {
  readonly name: string
  readonly message: string
}

/** A host name is judged when it is called; a literal address can be rejected now, before the first project waits for it. */
function isPrivate({ PROVISIONER_URL = '', OUTGOING_ALLOW }: Readonly<Record<string, string | undefined>>): boolean {
  const url = parseCallableUrl(PROVISIONER_URL)
  const allowed = OUTGOING_ALLOW === undefined ? NO_NETWORKS : parseNetworks(OUTGOING_ALLOW)
  return url !== undefined && allowed !== undefined && forbiddenLiteral(url, allowed) !== undefined
}

/** As a browser sends it: scheme, host in lower case, a port only if it is not the default. */
function isOrigin(text: string): boolean {
  return isHttpUrl(text) && new URL(text).origin === text
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol)
}
