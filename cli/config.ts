import { z } from 'zod'
import { MASTER_KEY_BYTES, masterKeyFrom } from '../registry/sealing.ts'

/** Everything the service is told from outside. The only place that reads the environment. */
export type Config = z.output<typeof ConfigSchema>

/** Reports all mistakes at once, each with the name of its variable and what it should be. Throws ConfigError. */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  // Docker and shells pass an unset variable as an empty one.
  const set = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''))
  const parsed = ConfigSchema.safeParse(set)
  if (parsed.success) return parsed.data
  throw new ConfigError(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`))
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
const ADMIN_TOKEN_CHARACTERS_MIN = 32

const count = (what: string, max: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, `must be ${what}`)
    .transform(Number)
    .refine((value) => value <= max, `must be at most ${max}`)

const ConfigSchema = z
  .object({
    HOST: z.string().default('127.0.0.1'),
    PORT: count('a port number', 65_535).default(8080),
    DATA_DIR: z.string().default('./data'),
    CLICKHOUSE_URL: z.string().refine(isHttpUrl, 'must be an http or https URL, such as http://user:password@host:8123/meterline').optional(),
    // It travels in a header, after "Bearer ": with a space in it nobody could ever sign in.
    ADMIN_TOKEN: z
      .string()
      .min(ADMIN_TOKEN_CHARACTERS_MIN, `must have at least ${ADMIN_TOKEN_CHARACTERS_MIN} characters`)
      .regex(/^[!-~]*$/, 'must be of printable ASCII characters without spaces')
      .optional(),
    MASTER_KEY: z
      .string()
      .refine(
        (text) => masterKeyFrom(text) !== undefined,
        `must be ${MASTER_KEY_BYTES} bytes in base64; "openssl rand -base64 ${MASTER_KEY_BYTES}" prints some`,
      )
      .optional(),
    PROJECT_HOST: z
      .string()
      .refine((text) => text.includes('{slug}'), 'must contain {slug}, and may contain {region}')
      .default('{slug}.{region}.localhost'),
    RATE_LIMIT_PER_MINUTE: count('a number of requests, 0 for no limit', 1e9).default(1_200),
    EVENT_REQUESTS_PER_MINUTE: count('a number of requests, 0 for no limit', 1e9).default(60_000),
    LOG_LEVEL: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`).default('info'),
  })
  .superRefine((config, context) => {
    if (config.CLICKHOUSE_URL === undefined) return
    // Made in DATA_DIR they would differ from one process to the next, and none could read what another sealed.
    for (const name of ['ADMIN_TOKEN', 'MASTER_KEY'] as const) {
      if (config[name] === undefined) context.addIssue({ code: 'custom', path: [name], message: 'is required when CLICKHOUSE_URL is set' })
    }
  })

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol)
}
