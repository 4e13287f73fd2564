import { z } from 'zod'
import { forbiddenLiteral, NO_NETWORKS, parseCallableUrl, parseNetworks } from '../outgoing/public-address.ts'
import { parseSigningKeys } from '../outgoing/send-webhook.ts'
import { MASTER_KEY_BYTES, masterKeyFrom } from '../registry/keys/sealing.ts'

/** Everything the service is told from outside. The only place that reads the environment. */
export type Config = z.output<typeof ConfigSchema>

/** Reports all mistakes at once, each with the name of its variable and what it should be. Throws ConfigError. */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  // Docker and shells pass an unset variable as an empty one.
  const set = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''))
  const parsed = ConfigSchema.safeParse(set)
  const between = mistakesBetween(set)
  if (parsed.success && between.length === 0) return parsed.data
  const alone = parsed.success ? [] : parsed.error.issues.map(({ path, message }) => ({ name: path.join('.'), message }))
  throw new ConfigError([...alone, ...between].map(({ name, message }) => `${name}: ${message}`))
}

class ConfigError extends Error {
  constructor(mistakes: readonly string[]) {
    super(
      `The configuration has ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`}:\n${mistakes.map((mistake) => `  ${mistake}`).join('\n')}`,
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

/** A text that `parse` makes something of; undefined is a mistake. */
const parsedBy = <T>(parse: (text: string) => T | undefined, message: string) =>
  z.string().transform((text, context) => {
    const value = parse(text)
    if (value !== undefined) return value
    context.addIssue({ code: 'custom', message })
    return z.NEVER
  })

/** It travels in a header, after "Bearer ": with a space in it nobody could ever sign in. Of the file in DATA_DIR, too. */
export const AdminToken = z
  .string()
  .min(ADMIN_TOKEN_CHARACTERS_MIN, `must have at least ${ADMIN_TOKEN_CHARACTERS_MIN} characters`)
  .regex(/^[!-~]*$/, 'must be of printable ASCII characters without spaces')

const ConfigSchema = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: count('a port number', 65_535).default(8080),
  DATA_DIR: z.string().default('./data'),
  CLICKHOUSE_URL: z.string().refine(isHttpUrl, 'must be an http or https URL, such as http://user:password@host:8123/meterline').optional(),
  KAFKA_BROKERS: z
    .string()
    .transform((text) => text.split(',').map((broker) => broker.trim()))
    .refine((brokers) => brokers.every((broker) => /^[^\s:/]+:\d{1,5}$/.test(broker)), 'must be a list of host:port, separated by commas')
    .optional(),
  KAFKA_TOPIC: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,200}$/, 'must be 1 to 200 of the characters A-Z a-z 0-9 . _ -')
    .default('usage-events'),
  KAFKA_GROUP: z.string().default('meterline-ingest'),
  KAFKA_PARTITIONS: count('a number of partitions', 10_000)
    .refine((value) => value > 0, 'must be at least 1')
    .default(4),
  KAFKA_SSL: z
    .enum(['true', 'false'], 'must be true or false')
    .transform((text) => text === 'true')
    .default(false),
  KAFKA_SASL_MECHANISM: z.enum(SASL_MECHANISMS, `must be one of ${SASL_MECHANISMS.join(', ')}`).optional(),
  KAFKA_USERNAME: z.string().optional(),
  KAFKA_PASSWORD: z.string().optional(),
  ADMIN_TOKEN: AdminToken.optional(),
  MASTER_KEY: z
    .string()
    .refine((text) => masterKeyFrom(text) !== undefined, `must be ${MASTER_KEY_BYTES} bytes in base64; "openssl rand -base64 ${MASTER_KEY_BYTES}" prints some`)
    .optional(),
  MASTER_KEY_PREVIOUS: z
    .string()
    .refine((text) => masterKeyFrom(text) !== undefined, `must be ${MASTER_KEY_BYTES} bytes in base64: the key that MASTER_KEY is exchanged with`)
    .optional(),
  PUBLIC_URL: z
    .string()
    .refine(isHttpUrl, 'must be an http or https URL, such as https://usage.example.com')
    .transform((text) => text.replace(/\/+$/, ''))
    .optional(),
  SIGNING_KEY_DAYS: count('a number of days, 0 for never', 3_650).default(30),
  PROJECT_HOST: z
    .string()
    .refine((text) => text.includes('{slug}'), 'must contain {slug}, and may contain {region}')
    .default('{slug}.{region}.localhost'),
  PROVISIONER: z.enum(PROVISIONERS, `must be one of ${PROVISIONERS.join(', ')}`).default('none'),
  PROVISIONER_URL: parsedBy(parseCallableUrl, 'must be an http or https URL without a user or password in it').optional(),
  PROVISIONER_SECRET: parsedBy(
    parseSigningKeys,
    'must be whsec_ and 24 to 64 bytes in base64, at most 5 of them separated by commas; "echo whsec_$(openssl rand -base64 32)" prints one',
  ).optional(),
  OUTGOING_ALLOW: parsedBy(parseNetworks, 'must be a list of at most 100 CIDRs separated by commas, such as 10.1.0.0/16,fd00:1::/64').default(NO_NETWORKS),
  TRUSTED_PROXIES: z
    .string()
    .refine((text) => parseNetworks(text) !== undefined, 'must be a list of CIDRs separated by commas, such as 10.0.0.0/8,fd00::/8')
    .transform((text) => text.split(',').map((network) => network.trim()))
    .default([]),
  CURRENCY: z
    .string()
    .regex(/^[A-Z]{3}$/, 'must be a currency code of ISO 4217, such as USD')
    .default('USD'),
  CLOSE_GRACE_HOURS: count('a number of hours', 1e9).default(72),
  RATE_LIMIT_PER_MINUTE: count('a number of requests, 0 for no limit', 1e9).default(1_200),
  EVENT_REQUESTS_PER_MINUTE: count('a number of requests, 0 for no limit', 1e9).default(60_000),
  READ_ROWS_MAX: count('a number of rows', 999_999_999)
    .refine((value) => value > 0, 'must be at least 1')
    .default(200_000_000),
  CORS_ORIGINS: z
    .string()
    .transform((text) => text.split(',').map((origin) => origin.trim()))
    .refine((origins) => origins.every(isOrigin), 'must be a list of origins separated by commas, such as https://console.example.com: no path, no *')
    .default([]),
  AUTH_FAILURES_PER_MINUTE: count('a number of wrong credentials, 0 for no limit', 1e9).default(30),
  LOG_LEVEL: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`).default('info'),
})

/** What only two variables together get wrong. Of the texts as they are set, so that it is told beside what is wrong with one of them. */
function mistakesBetween(set: Readonly<Record<string, string | undefined>>): Mistake[] {
  const goesWith = (name: string, wanted: boolean, whenWanted: string, otherwise: string): Mistake[] =>
    wanted === (set[name] !== undefined) ? [] : [{ name, message: wanted ? `is required ${whenWanted}` : `goes with ${otherwise} only` }]
  const isSasl = set['KAFKA_SASL_MECHANISM'] !== undefined
  const isWebhook = set['PROVISIONER'] === 'webhook'
  // Of a provisioner that there is not nobody knows what goes with it.
  const isProvisionerKnown = set['PROVISIONER'] === undefined || PROVISIONERS.some((name) => name === set['PROVISIONER'])
  return [
    ...['KAFKA_USERNAME', 'KAFKA_PASSWORD'].flatMap((name) => goesWith(name, isSasl, 'with KAFKA_SASL_MECHANISM', 'KAFKA_SASL_MECHANISM')),
    ...(isProvisionerKnown ? ['PROVISIONER_URL', 'PROVISIONER_SECRET'] : []).flatMap((name) =>
      goesWith(name, isWebhook, 'when PROVISIONER is webhook', 'PROVISIONER=webhook'),
    ),
    ...(isPrivate(set) ? [{ name: 'PROVISIONER_URL', message: 'leads to an address that is not public; OUTGOING_ALLOW must name its network' }] : []),
    // Made in DATA_DIR they would differ from one process to the next, and none could read what another sealed.
    ...['ADMIN_TOKEN', 'MASTER_KEY'].flatMap((name) =>
      set['CLICKHOUSE_URL'] !== undefined && set[name] === undefined ? [{ name, message: 'is required when CLICKHOUSE_URL is set' }] : [],
    ),
    ...(set['MASTER_KEY_PREVIOUS'] !== undefined && set['MASTER_KEY_PREVIOUS'] === set['MASTER_KEY']
      ? [{ name: 'MASTER_KEY_PREVIOUS', message: 'is the same as MASTER_KEY; it is the other key of an exchange (docs/operating/keys.md)' }]
      : []),
  ]
}

interface Mistake {
  readonly name: string
  readonly message: string
}

/** A name is judged when it is called; an address can be told now, before the first project waits for it. */
function isPrivate({ PROVISIONER_URL = '', OUTGOING_ALLOW }: Readonly<Record<string, string | undefined>>): boolean {
  const url = parseCallableUrl(PROVISIONER_URL)
  const allowed = OUTGOING_ALLOW === undefined ? NO_NETWORKS : parseNetworks(OUTGOING_ALLOW)
  return url !== undefined && allowed !== undefined && forbiddenLiteral(url, allowed) !== undefined
}

/** As a browser sends it: scheme, host in lower case, a port only where it is not the usual one. */
function isOrigin(text: string): boolean {
  return isHttpUrl(text) && new URL(text).origin === text
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol)
}
