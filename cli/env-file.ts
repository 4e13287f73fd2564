import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { CliError } from './errors.ts'

/** The flags and the description of the option, for every command that reads the configuration of the service. */
export const ENV_FILE = ['--env-file <file>', 'a file with lines NAME=value, for variables that the environment does not set'] as const

export interface EnvFileOptions {
  readonly envFile?: string
}

/** The environment, completed from the file. An empty variable counts as one that is not set, as in the configuration. Throws CliError. */
export function completeFrom({ envFile }: EnvFileOptions, environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  if (envFile === undefined) return environment
  const set = Object.entries(environment).filter(([, value]) => value !== undefined && value !== '')
  return { ...parseEnv(readText(envFile)), ...Object.fromEntries(set) }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new CliError(`The file ${file} of --env-file cannot be read (${code}). Check its path and its permissions.`)
  }
}
