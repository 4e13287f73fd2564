import { readFileSync } from 'node:fs'
import { z } from 'zod'
import type { StatsSource } from '../../emitter/collectors/read-stats.ts'
import { readSecretFiles } from '../../service/secret-files.ts'
import { usageError } from '../errors.ts'
import type { Session } from '../session.ts'

export interface SourceOptions {
  readonly sources?: string
  readonly project?: string
  readonly platformUrl?: string
}

const Source = z.strictObject({
  project_id: z.string().min(1),
  url: z.url({ protocol: /^https?$/ }),
  /** The variable that has the token, or the file. */
  token_env: z.string().min(1).optional(),
  token_file: z.string().min(1).optional(),
  /** The header of the token; "authorization" gets "Bearer " before it. */
  header: z
    .string()
    .regex(/^[A-Za-z0-9-]+$/)
    .default('authorization'),
})

const DEFAULT_VARIABLE = 'METERLINE_SOURCE_TOKEN'
const EXAMPLE = 'Example of its content: [{"project_id": "prj_1", "url": "https://abc.example.com", "token_file": "/run/secrets/prj_1"}]'

/** The backends of --sources, or the one of --project and --platform-url. Throws CliError. */
export function requireSources({ environment }: Session, { sources, project, platformUrl }: SourceOptions): StatsSource[] {
  const isSingle = project !== undefined && platformUrl !== undefined
  if ((sources === undefined) !== isSingle || (sources !== undefined && (project ?? platformUrl) !== undefined))
    throw usageError('Either --sources, or --project and --platform-url must be given.', EXAMPLE)
  const entries = sources === undefined ? [single(project, platformUrl)] : readFile(sources)
  const repeated = entries.find(({ project_id }, index) => entries.findIndex((other) => other.project_id === project_id) < index)
  if (repeated !== undefined) throw usageError(`The file ${sources} of --sources has the project ${repeated.project_id} twice.`)
  return entries.map(({ project_id, url, header, ...token }) => ({ project_id, url, headers: () => headersOf(header, readToken(environment, token)) }))
}

type Entry = z.output<typeof Source>

function single(project: string | undefined, url: string | undefined): Entry {
  const read = Source.safeParse({ project_id: project, url })
  if (!read.success) throw usageError(`--platform-url "${url}" is not an http or https URL.`, 'Example: https://abc.example.com')
  return read.data
}

function readFile(path: string): Entry[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw usageError(`The file ${path} of --sources cannot be read (${String(error)}).`)
  }
  try {
    return z.array(Source).min(1).parse(JSON.parse(text))
  } catch (error) {
    const issue = error instanceof z.ZodError ? error.issues[0] : undefined
    throw usageError(`The file ${path} of --sources is not valid (${issue === undefined ? 'no JSON' : `${issue.path.join('.')}: ${issue.message}`}).`, EXAMPLE)
  }
}

/** Read for each collection. Throws Error that names what is missing, and no secret. */
function readToken(environment: NodeJS.ProcessEnv, { token_env, token_file }: Pick<Entry, 'token_env' | 'token_file'>): string {
  const name = token_env ?? DEFAULT_VARIABLE
  const given = token_file === undefined ? environment : { [`${name}_FILE`]: token_file }
  const { set, problems } = readSecretFiles(given, [name])
  for (const problem of problems) throw new Error(`${token_file ?? problem.name}: ${problem.message}.`)
  const token = set[name]
  if (token === undefined) throw new Error(`There is no token: ${name} is not set.`)
  if (!/^[!-~]+$/.test(token)) throw new Error(`The token in ${token_file ?? name} contains spaces or characters that no token has.`)
  return token
}

function headersOf(header: string, token: string): Record<string, string> {
  return { [header]: header.toLowerCase() === 'authorization' ? `Bearer ${token}` : token }
}
