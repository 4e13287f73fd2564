import { readFileSync, statSync } from 'node:fs'

/** The variables that hold a secret. Each can be given as a file instead: ADMIN_TOKEN_FILE=/run/secrets/admin-token. */
export const SECRET_VARIABLES = [
  'ADMIN_TOKEN',
  'MASTER_KEY',
  'MASTER_KEY_PREVIOUS',
  'CLICKHOUSE_PASSWORD',
  'KAFKA_PASSWORD',
  'PROVISIONER_SECRET',
  'OTEL_EXPORTER_OTLP_HEADERS',
] as const

export interface SecretProblem {
  readonly name: string
  readonly message: string
}

/**
 * The variables with the content of the files that `<name>_FILE` names, and what is wrong with these. An empty variable is an unset
 * one, as Docker and shells pass it.
 */
export function readSecretFiles(
  environment: NodeJS.ProcessEnv,
  names: readonly string[],
): { readonly set: Readonly<Record<string, string>>; readonly problems: readonly SecretProblem[] } {
  const given = Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '')
  const set: Record<string, string> = Object.fromEntries(given)
  const problems: SecretProblem[] = []
  for (const name of names) {
    const file = `${name}_FILE`
    const path = set[file]
    if (path === undefined) continue
    delete set[file]
    if (set[name] !== undefined) problems.push({ name: file, message: `is set beside ${name}; set one of them` })
    else {
      try {
        set[name] = readSecretFile(path)
      } catch (error) {
        problems.push({ name: file, message: error instanceof Error ? error.message : String(error) })
      }
    }
  }
  return { set, problems }
}

/** The text of the file without white space around it. Throws Error for a file that is missing, empty, or readable by others. */
function readSecretFile(path: string): string {
  requirePrivate(path)
  const text = readFileSync(path, 'utf8').trim()
  if (text === '') throw new Error(`${path} is empty`)
  return text
}

/**
 * A file of this user must be closed to its group and to others, as ssh requires it. One of another user, such as a mounted secret
 * of an orchestrator, may be readable by a group, because this process may have to be in it.
 */
export function requirePrivate(path: string): void {
  const user = process.getuid?.()
  // Windows has no such modes.
  if (user === undefined) return
  const { mode, uid } = statOf(path)
  const openTo = mode & (uid === user ? OTHERS_AND_GROUP : OTHERS)
  if (openTo === 0) return
  const shown = (mode & ALL).toString(8).padStart(4, '0')
  throw new Error(`${path} has mode ${shown}, so that others can read or change it; run "chmod ${uid === user ? '600' : 'o-rwx'} ${path}", then start again`)
}

function statOf(path: string) {
  try {
    return statSync(path)
  } catch (error) {
    throw new Error(`${path} cannot be read (${error instanceof Error && 'code' in error ? error.code : error})`, { cause: error })
  }
}

const ALL = 0o777
const OTHERS_AND_GROUP = 0o077
const OTHERS = 0o007
