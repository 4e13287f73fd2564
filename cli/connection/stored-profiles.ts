import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { CliError } from '../errors.ts'

/** Credentials that "meterline login" stored, with the service that they are for. */
export const Profile = z.object({
  url: z.string(),
  secret: z.string(),
  partner_id: z.string().optional(),
})
export type Profile = z.output<typeof Profile>

const Stored = z.object({ current: z.string(), profiles: z.record(z.string(), Profile) })
export type StoredProfiles = z.output<typeof Stored>

export const DEFAULT_PROFILE = 'default'

/** Outside of every project, so that no repository ever contains it. */
export function profilesPath(environment: NodeJS.ProcessEnv): string {
  const base = environment['XDG_CONFIG_HOME'] || join(environment['HOME'] || homedir(), '.config')
  return join(base, 'meterline', 'credentials.json')
}

/** Throws CliError for a file that this program did not write. */
export function readProfiles(environment: NodeJS.ProcessEnv): StoredProfiles {
  const path = profilesPath(environment)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { current: DEFAULT_PROFILE, profiles: {} }
    throw new CliError(`${path} cannot be read (${error instanceof Error ? error.message : String(error)}).`)
  }
  try {
    return Stored.parse(JSON.parse(text))
  } catch {
    throw new CliError(`${path} is damaged. Delete it, then log in again with "meterline login".`)
  }
}

/** Replaces the file as a whole, readable by its owner only: a kill leaves the old file or the new one. */
export function writeProfiles(environment: NodeJS.ProcessEnv, stored: StoredProfiles): void {
  const path = profilesPath(environment)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${process.pid}`
  try {
    writeFileSync(temporary, `${JSON.stringify(stored, null, 2)}\n`, { mode: 0o600 })
    renameSync(temporary, path)
  } finally {
    rmSync(temporary, { force: true })
  }
}
