import { execFileSync } from 'node:child_process'
import { chownSync, existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeTemporaryDirectory } from '../temporary-directory.ts'
import { untilSo } from '../until-so.ts'
import { endProcess, spawnBound } from './spawn-bound.ts'

const DEBIAN = '/usr/lib/postgresql'
const PASSWORD = 'correct-horse'

/** Where Debian's server is installed, or why a server cannot be started. */
export const POSTGRES: { readonly bin: string } | { readonly missing: string } = findServer()

export interface PostgresServer {
  /** The variables with which psql reaches it as the superuser. */
  readonly environment: Record<string, string>
  query(sql: string): string
  stop(): Promise<void>
}

/** Starts a new server that listens on a socket only and wants a password. */
export async function startPostgres(): Promise<PostgresServer> {
  if ('missing' in POSTGRES) throw new Error(POSTGRES.missing)
  const directory = makeTemporaryDirectory()
  const passwordFile = join(directory.path, 'password')
  writeFileSync(passwordFile, PASSWORD)
  const user = ownUser()
  if (user !== undefined) for (const path of [directory.path, passwordFile]) chownSync(path, user.uid, user.gid)
  // PostgreSQL does not run as root.
  const asUser = user === undefined ? [] : ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups']
  const data = join(directory.path, 'data')
  const initdb = [...asUser, join(POSTGRES.bin, 'initdb'), '-D', data, '-U', 'admin', '-A', 'scram-sha-256', '--no-sync', '--pwfile', passwordFile]
  execFileSync(initdb[0] ?? '', initdb.slice(1), { stdio: 'pipe' })
  const settings = ['listen_addresses=', `unix_socket_directories=${directory.path}`, 'fsync=off', 'autovacuum=off'].flatMap((each) => ['-c', each])
  const [command = '', ...args] = [...asUser, join(POSTGRES.bin, 'postgres'), '-D', data, ...settings]
  const child = spawnBound([command, ...args], { temporaryDirectory: directory.path })
  const environment = { PATH: process.env['PATH'] ?? '', PGHOST: directory.path, PGUSER: 'admin', PGPASSWORD: PASSWORD }
  const query = (sql: string) =>
    execFileSync('psql', ['-XAtq', '-d', 'postgres', '-c', sql], { env: environment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  await untilSo(async () => {
    if (child.exitCode !== null) throw new Error('PostgreSQL did not start.')
    return answers(() => query('SELECT 1'))
  })
  const stop = async () => {
    await endProcess(child, 'SIGINT')
    directory.remove()
  }
  return { environment, query, stop }
}

function answers(call: () => unknown): boolean {
  try {
    call()
    return true
  } catch {
    return false
  }
}

/** Debian's user of the server, when this process is root. */
export function ownUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const idOf = (option: string) => Number(execFileSync('id', [option, 'postgres'], { encoding: 'utf8' }))
  return { uid: idOf('-u'), gid: idOf('-g') }
}

function findServer(): { bin: string } | { missing: string } {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN) : []
  const bin = versions.map((version) => join(DEBIAN, version, 'bin')).find((folder) => existsSync(join(folder, 'initdb')))
  if (bin === undefined) return { missing: `there is no PostgreSQL server in ${DEBIAN}` }
  if (process.getuid?.() === 0 && !answers(() => execFileSync('setpriv', ['--version'], { stdio: 'ignore' })))
    return { missing: 'this process is root and has no setpriv to start the server as another user' }
  return answers(() => execFileSync('psql', ['--version'], { stdio: 'ignore' })) ? { bin } : { missing: 'there is no psql' }
}
