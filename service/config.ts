import { z } from 'zod'
import { LOGGED_REQUESTS } from '../api/http/logged-requests.ts'
import { counted } from '../metering/counted.ts'
import { forbiddenLiteral, NO_NETWORKS, parseCallableUrl, parseNetworks } from '../outgoing/public-address.ts'
import { parseSigningKeys } from '../outgoing/send-webhook.ts'
import { MASTER_KEY_BYTES, masterKeyFrom } from '../registry/keys/sealing.ts'
import { CLICKHOUSE_VARIABLES, type ConfigProblem, passwordProblems, serverProblems, withFirstServer } from './clickhouse-variables.ts'
import { findNearMisses, type NearMiss } from './near-misses.ts'
import { readSecretFiles, SECRET_VARIABLES } from './secret-files.ts'
import { AdminToken, MasterKeyText } from './strong-secrets.ts'
import { TRACING_VARIABLES } from './tracing/variables.ts'
import { count, isHttpUrl, parsedBy, TrueOrFalse } from './variable-schemas.ts'

/** The configuration of the service. No other file reads its environment variables. */
export type Config = z.output<typeof ConfigSchema>

/** Reports all errors together, each with the name of its variable and what it should be. Throws ConfigError. */
export function readConfig(environment: NodeJS.ProcessEnv, process: ConfiguredProcess = 'all'): Config {
  const { set: given, problems } = readSecretFiles(environment, SECRET_VARIABLES)
  const set = withFirstServer(given)
  const parsed = ConfigSchema.safeParse(set)
  const unreadable = new Set(problems.map(({ name }) => name.replace(/_FILE$/, '')))
  // A secret whose file is wrong is not missing too.
  const errors = [...problems, ...serverProblems(given, hasApiOrCounts(process)), ...errorsBetween(set, process).filter(({ name }) => !unreadable.has(name))]
  if (parsed.success && errors.length === 0) return parsed.data
  const fieldErrors = parsed.success ? [] : parsed.error.issues.map(({ path, message }) => ({ name: path.join('.'), message }))
  const misspelt = misspeltVariables(environment).map(({ given, meant }) => ({ name: given, message: `is no variable of Meterline; did you mean ${meant}?` }))
  throw new ConfigError([...fieldErrors, ...errors, ...misspelt].map(({ name, message }) => `${name}: ${message}`))
}

/** Each process requires only what it uses: only one with an API has credentials, and only these and `ingest` use Kafka. */
export type ConfiguredProcess = 'all' | 'ingest' | 'aggregate' | 'api' | 'migrate'

/** Variables of the environment that look like misspelt ones of ours. */
export function misspeltVariables(environment: NodeJS.ProcessEnv): NearMiss[] {
  const files = SECRET_VARIABLES.map((name) => `${name}_FILE`)
  const ofCommandLine = ['METERLINE_URL', 'METERLINE_ACCESS_TOKEN', 'METERLINE_ACCESS_TOKEN_FILE']
  return findNearMisses(Object.keys(environment), [...Object.keys(ConfigSchema.shape), ...files, ...ofCommandLine])
}

class ConfigError extends Error {
  constructor(errors: readonly string[]) {
    super(`Invalid configuration (${counted(errors.length, 'error')}):\n${errors.map((error) => `  ${error}`).join('\n')}`)
    this.name = 'ConfigError'
  }
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
const SASL_MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const
const PROVISIONERS = ['none', 'webhook'] as const

const Origins = z
  .string()
  .transform((text) => text.split(',').map((origin) => origin.trim()))
  .refine((origins) => origins.every(isOrigin), 'must be a list of origins separated by commas, such as https://console.example.com: no path, no *')

export const ConfigSchema = z.object({
  HOST: z.string().default('127.0.0.1').meta({ description: 'address to listen on; `0.0.0.0` for all addresses of the machine' }),
  PORT: count('a port number', 65_535).default(8080).meta({ description: 'port to listen on; 0 chooses a free port' }),
  METRICS_PORT: count('a port number', 65_535).optional().meta({
    description:
      "port of a listener of its own for `/metrics`; 0 chooses a free port. If unset, `PORT` has `/metrics`, for programs on this machine and with an operator's token",
  }),
  METRICS_HOST: z
    .string()
    .default('127.0.0.1')
    .meta({ description: 'address of that listener; every caller that reaches it may read the metrics, so do not make it public' }),
  DATA_DIR: z.string().default('./data').meta({ description: "directory of the embedded engine's data and of the files `admin-token` and `master-key`" }),
  ...CLICKHOUSE_VARIABLES,
  KAFKA_BROKERS: z
    .string()
    .transform((text) => text.split(',').map((broker) => broker.trim()))
    .refine((brokers) => brokers.every((broker) => /^[^\s:/]+:\d{1,5}$/.test(broker)), 'must be a list of host:port, separated by commas')
    .optional()
    .meta({
      description: 'Kafka brokers as `host:port`, separated by commas; events over HTTP are produced to the topic, and the events of the topic are counted',
    }),
  KAFKA_TOPIC: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,200}$/, 'must be 1 to 200 of the characters A-Z a-z 0-9 . _ -')
    .default('usage-events')
    .meta({ description: 'name of the topic; it is created if it is missing' }),
  KAFKA_GROUP: z
    .string()
    .default('meterline-ingest')
    .meta({ description: 'name of the consumer group; it only distributes partitions, offsets are stored in ClickHouse' }),
  KAFKA_PARTITIONS: count('a number of partitions', 10_000)
    .refine((value) => value > 0, 'must be at least 1')
    .default(4)
    .meta({ description: 'number of partitions if the topic is created; the number at the first start is pinned' }),
  KAFKA_SSL: TrueOrFalse.default(false).meta({ description: 'whether to use TLS to the brokers: `true` or `false`' }),
  KAFKA_SASL_MECHANISM: z
    .enum(SASL_MECHANISMS, `must be one of ${SASL_MECHANISMS.join(', ')}`)
    .optional()
    .meta({ description: '`plain`, `scram-sha-256` or `scram-sha-512`; without it there is no authentication' }),
  KAFKA_USERNAME: z.string().optional().meta({ description: 'user name at the brokers; required with `KAFKA_SASL_MECHANISM`, and only allowed with it' }),
  KAFKA_PASSWORD: z
    .string()
    .optional()
    .meta({ description: 'password at the brokers; required with `KAFKA_SASL_MECHANISM`, and only allowed with it. Never logged' }),
  ADMIN_TOKEN: AdminToken.optional().meta({
    description:
      'token of the operators, at least 32 printable ASCII characters without spaces; if unset, it is created in `DATA_DIR`. Required with `CLICKHOUSE_URL` by `start` and `api`',
  }),
  MASTER_KEY: MasterKeyText.optional().meta({
    description:
      '32 bytes in base64 that seal keys, secrets and the pepper of credentials; if unset, it is created in `DATA_DIR`. Required with `CLICKHOUSE_URL` by `start` and `api`. Without it no credential can be verified; how to change it without downtime: [operating/keys.md](operating/keys.md)',
  }),
  MASTER_KEY_PREVIOUS: z
    .string()
    .refine((text) => masterKeyFrom(text) !== undefined, `must be ${MASTER_KEY_BYTES} bytes in base64: the other key while MASTER_KEY is being changed`)
    .optional()
    .meta({ description: 'the other key while `MASTER_KEY` is being changed: it only decrypts, and encrypts nothing' }),
  PUBLIC_URL: z
    .string()
    .refine(isHttpUrl, 'must be an http or https URL, such as https://usage.example.com')
    .transform((text) => text.replace(/\/+$/, ''))
    .optional()
    .meta({
      description:
        'URL under which callers reach the service, the same for all processes; it is the issuer of tokens, so changing it invalidates all of them. If unset: `http://HOST:PORT`',
    }),
  SIGNING_KEY_DAYS: count('a number of days, 0 for never', 3_650)
    .default(30)
    .meta({ description: 'age in days at which the signing key is rotated; 0 is never, except by `meterline keys rotate`' }),
  PROJECT_HOST: z
    .string()
    .refine((text) => text.includes('{slug}'), 'must contain {slug}, and may contain {region}')
    .default('{slug}.{region}.localhost')
    .meta({ description: 'host name of a project; `{slug}` and `{region}` are replaced' }),
  PROVISIONER: z
    .enum(PROVISIONERS, `must be one of ${PROVISIONERS.join(', ')}`)
    .default('none')
    .meta({ description: 'how the platform is notified of changes to projects: `none` or `webhook` ([operating/provisioner.md](operating/provisioner.md))' }),
  PROVISIONER_URL: parsedBy(parseCallableUrl, 'must be an http or https URL without a user or password in it')
    .optional()
    .meta({ description: 'http or https URL that the webhook calls; required with `PROVISIONER=webhook`, and only allowed with it' }),
  PROVISIONER_SECRET: parsedBy(
    parseSigningKeys,
    'must be whsec_ and 24 to 64 bytes in base64, at most 5 of them separated by commas; create one with "echo whsec_$(openssl rand -base64 32)"',
  )
    .optional()
    .meta({
      description:
        'key that signs the webhook (Standard Webhooks): `whsec_` and 24 to 64 bytes in base64; required with `PROVISIONER=webhook`. Several keys, separated by commas, all sign, so that one can be rotated without a gap. Never logged',
    }),
  OUTGOING_ALLOW: parsedBy(parseNetworks, 'must be a list of at most 100 CIDRs separated by commas, such as 10.1.0.0/16,fd00:1::/64')
    .default(NO_NETWORKS)
    .meta({
      description:
        'networks that webhooks, schedules and the provisioner may call although they are not public: CIDRs, separated by commas, such as 127.0.0.0/8',
    }),
  TRUSTED_PROXIES: z
    .string()
    .refine((text) => parseNetworks(text) !== undefined, 'must be a list of CIDRs separated by commas, such as 10.0.0.0/8,fd00::/8')
    .transform((text) => text.split(',').map((network) => network.trim()))
    .default([])
    .meta({
      description: 'networks of reverse proxies: CIDRs, separated by commas. The address of a client is read from the `X-Forwarded-For` of these proxies only',
    }),
  CURRENCY: z
    .string()
    .regex(/^[A-Z]{3}$/, 'must be a currency code of ISO 4217, such as USD')
    .default('USD')
    .meta({ description: 'currency of the costs in FOCUS exports, ISO 4217; costs are 0 until there is a rate card' }),
  EXPORT_DIR: z.string().min(1).optional().meta({
    description:
      'directory below which schedules may deliver exports to folders ([schedules.md](schedules.md)); the same for `api` and `aggregate`. If unset, schedules deliver to URLs only',
  }),
  SCHEDULE_LOG_DAYS: count('a number of days', 3_650)
    .refine((value) => value > 0, 'must be at least 1')
    .default(30)
    .meta({ description: 'days for which the log of executions of schedules is kept' }),
  CLOSE_GRACE_HOURS: count('a number of hours', 1e9)
    .default(72)
    .meta({ description: 'hours between the end of a month and its automatic closing; with less than 48, a wrong clock can close a month too early' }),
  RATE_LIMIT_PER_MINUTE: count('a number of requests, 0 for no limit', 1e9)
    .default(1_200)
    .meta({ description: 'maximum number of requests per minute for each credential; 0 is no limit' }),
  EVENT_REQUESTS_PER_MINUTE: count('a number of requests, 0 for no limit', 1e9).default(60_000).meta({ description: 'the same limit for `POST /v1/events`' }),
  PAST_MONTHS_PER_MINUTE: count('a number of months, 0 for no limit', 1e6).default(600).meta({
    description:
      'number of months before the previous one that the events of one ingest key may touch per minute (429 `PAST_MONTHS_LIMITED`); a month counts once a second, however many events of it arrive; 0 is no limit',
  }),
  READ_ROWS_MAX: count('a number of rows', 999_999_999)
    .refine((value) => value > 0, 'must be at least 1')
    .default(200_000_000)
    .meta({
      description: 'maximum number of rows that one query of a partner, an emitter or finance may read; a larger query is rejected with `QUERY_TOO_LARGE`',
    }),
  CORS_ORIGINS: Origins.default([]).meta({ description: 'origins whose web pages may call the API, separated by commas, without a path' }),
  EMBED_ORIGINS: Origins.default([]).meta({
    description: 'origins whose web pages may show the dashboard (`/embed`) in a frame, separated by commas, without a path; if unset, none',
  }),
  AUTH_FAILURES_PER_MINUTE: count('a number of wrong credentials, 0 for no limit', 1e9).default(30).meta({
    description:
      'number of different wrong credentials per minute from one address; after that, unknown credentials from there are rejected without a look-up (429 `GUESSING_BRAKE`); 0 is no limit',
  }),
  DRAIN_MS: count('a number of milliseconds, 0 for none', 300_000).default(5_000).meta({
    description:
      'milliseconds for which `start` and `api` go on serving after SIGTERM, while `/readyz` answers 503: longer than a load balancer needs to notice. 0 closes the port immediately, as SIGINT (Ctrl-C) does',
  }),
  LOG_REQUESTS: z
    .enum(LOGGED_REQUESTS, `must be one of ${LOGGED_REQUESTS.join(', ')}`)
    .default('all')
    .meta({ description: 'which requests get a line in the log, with caller, route and outcome: `all`, `failures` (status 400 and above) or `none`' }),
  LOG_LEVEL: z
    .enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`)
    .default('info')
    .meta({ description: '`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`' }),
  ...TRACING_VARIABLES,
})

/** Only these processes use Kafka. */
function hasApiOrCounts(process: ConfiguredProcess): boolean {
  return process === 'all' || process === 'api' || process === 'ingest'
}

/** Errors that involve two variables. They are found in the raw texts, so that they are reported together with the errors of single variables. */
function errorsBetween(set: Readonly<Record<string, string | undefined>>, process: ConfiguredProcess): ConfigProblem[] {
  const requireOnlyIf = (name: string, isRequired: boolean, whenRequired: string, otherwise: string): ConfigProblem[] =>
    isRequired === (set[name] !== undefined) ? [] : [{ name, message: isRequired ? `is required ${whenRequired}` : `is only allowed with ${otherwise}` }]
  const hasApi = process === 'all' || process === 'api'
  const usesKafka = hasApiOrCounts(process)
  const isSasl = set['KAFKA_SASL_MECHANISM'] !== undefined
  const isWebhook = set['PROVISIONER'] === 'webhook'
  // An unknown PROVISIONER is reported by the schema; skip the checks that depend on it.
  const isProvisionerKnown = set['PROVISIONER'] === undefined || PROVISIONERS.some((name) => name === set['PROVISIONER'])
  return [
    ...(usesKafka ? ['KAFKA_USERNAME', 'KAFKA_PASSWORD'] : []).flatMap((name) =>
      requireOnlyIf(name, isSasl, 'with KAFKA_SASL_MECHANISM', 'KAFKA_SASL_MECHANISM'),
    ),
    ...(isProvisionerKnown && hasApi ? ['PROVISIONER_URL', 'PROVISIONER_SECRET'] : []).flatMap((name) =>
      requireOnlyIf(name, isWebhook, 'when PROVISIONER is webhook', 'PROVISIONER=webhook'),
    ),
    ...(isForbiddenAddress(set) ? [{ name: 'PROVISIONER_URL', message: 'is an address that is not public; add its network to OUTGOING_ALLOW' }] : []),
    // Created in DATA_DIR, they would differ between processes, and no process could decrypt what another one sealed.
    ...['ADMIN_TOKEN', 'MASTER_KEY'].flatMap((name) =>
      hasApi && set['CLICKHOUSE_URL'] !== undefined && set[name] === undefined ? [{ name, message: 'is required when CLICKHOUSE_URL is set' }] : [],
    ),
    ...passwordProblems(set),
    ...(set['MASTER_KEY_PREVIOUS'] !== undefined && set['MASTER_KEY_PREVIOUS'] === set['MASTER_KEY']
      ? [{ name: 'MASTER_KEY_PREVIOUS', message: 'is the same as MASTER_KEY; it must be the other key of the change (docs/operating/keys.md)' }]
      : []),
  ]
}

/** A host name is checked when it is called; a literal address can be rejected now, before the first project waits for its delivery. */
function isForbiddenAddress({ PROVISIONER_URL = '', OUTGOING_ALLOW }: Readonly<Record<string, string | undefined>>): boolean {
  const url = parseCallableUrl(PROVISIONER_URL)
  const allowed = OUTGOING_ALLOW === undefined ? NO_NETWORKS : parseNetworks(OUTGOING_ALLOW)
  return url !== undefined && allowed !== undefined && forbiddenLiteral(url, allowed) !== undefined
}

/** An origin as a browser sends it: scheme, host in lower case, and a port only if it is not the default. */
function isOrigin(text: string): boolean {
  return isHttpUrl(text) && new URL(text).origin === text
}
