import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ownUser, POSTGRES } from '../../test/support/engines/postgres-server.ts'
import { endProcess, spawnBound } from '../../test/support/engines/spawn-bound.ts'
import { statOf, TICKS_PER_SECOND } from '../process-cpu.ts'

/** Enough memory for the index of a million events; all else is as Debian installs it, fsync included. */
const SETTINGS = ['shared_buffers=1GB', 'max_wal_size=4GB', 'work_mem=256MB', 'autovacuum=off', 'max_parallel_maintenance_workers=1']

/** Debian's PostgreSQL server with a data directory of its own; it listens on a socket in that directory only. */
export class PostgresProcess {
  readonly #directory: string
  #server: ChildProcess | undefined

  /** Creates the data in an empty directory, which then belongs to the user of the server. */
  constructor(directory: string) {
    this.#directory = directory
    const user = ownUser()
    if (user !== undefined) chownSync(directory, user.uid, user.gid)
    this.#runAsOwner('initdb', ['-D', this.#data, '-U', 'admin', '-A', 'trust', '--encoding=UTF8', '--no-locale'])
  }

  /** Starts the server, and waits until it accepts connections. */
  async start(): Promise<void> {
    const settings = ['listen_addresses=', `unix_socket_directories=${this.#directory}`, ...SETTINGS].flatMap((each) => ['-c', each])
    const [command = '', ...args] = [...asOwner(), tool('postgres'), '-D', this.#data, ...settings]
    const server = spawnBound([command, ...args])
    this.#server = server
    for (;;) {
      if (server.exitCode !== null) throw new Error('PostgreSQL did not start.')
      try {
        this.query('SELECT 1')
        return
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
  }

  query(sql: string): string {
    return execFileSync('psql', [...this.#connection, '-c', sql], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1024 ** 3 }).trim()
  }

  /** A session that stays open. */
  openSession(): PostgresSession {
    return new PostgresSession(spawn('psql', this.#connection, { stdio: ['pipe', 'pipe', 'pipe'] }))
  }

  /** User and system time of the server and its processes, in seconds; undefined where the system does not show it. */
  cpuSeconds(): number | undefined {
    const server = this.#server?.pid
    if (server === undefined || !existsSync('/proc/self/stat')) return undefined
    const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
    const times = processes.map((name) => timesOf(name)).filter((each) => each !== undefined)
    return times.filter(({ pid, parent }) => pid === server || parent === server).reduce((sum, { ticks }) => sum + ticks, 0) / TICKS_PER_SECOND
  }

  /** Ends the server as a crash does: without a checkpoint, so that the next start has to recover. */
  crash(): Promise<void> {
    return this.#end('SIGQUIT')
  }

  stop(): Promise<void> {
    return this.#end('SIGINT')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#server !== undefined) await endProcess(this.#server, signal)
    this.#server = undefined
  }

  get #data(): string {
    return join(this.#directory, 'data')
  }

  get #connection(): string[] {
    return ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', this.#directory, '-U', 'admin', '-d', 'postgres']
  }

  #runAsOwner(name: string, args: readonly string[]): void {
    const [command = '', ...rest] = [...asOwner(), tool(name), ...args]
    execFileSync(command, rest, { stdio: 'pipe', cwd: this.#directory })
  }
}

/** One psql with its connection. Calls run one after another. */
export class PostgresSession {
  readonly #psql: ChildProcess
  readonly #failed: Promise<never>
  #printed = ''
  #errors = ''

  constructor(psql: ChildProcess) {
    this.#psql = psql
    psql.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#printed += text
      psql.emit('printed')
    })
    psql.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text
    })
    psql.stdin?.on('error', () => {})
    this.#failed = once(psql, 'exit').then(([code]) => Promise.reject(new Error(`psql ended with code ${code}: ${this.#errors}`)))
    this.#failed.catch(() => {})
  }

  /** Sends statements, and the rows of COPY among them; returns what they print. */
  async run(script: string): Promise<string> {
    this.#printed = ''
    this.#psql.stdin?.write(`${script}\n\\echo ${END}\n`)
    while (!this.#printed.endsWith(`${END}\n`)) await Promise.race([once(this.#psql, 'printed'), this.#failed])
    return this.#printed.slice(0, -END.length - 1).trim()
  }

  close(): Promise<void> {
    return endProcess(this.#psql, 'SIGTERM')
  }
}

const END = 'end-of-this-script'

/** Of a process: its own ticks, and those of its children that have ended. */
function timesOf(process: string): { pid: number; parent: number; ticks: number } | undefined {
  try {
    const fields = statOf(process)
    return { pid: Number(process), parent: Number(fields[1]), ticks: [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0) }
  } catch {
    return undefined
  }
}

function tool(name: string): string {
  if ('missing' in POSTGRES) throw new Error(POSTGRES.missing)
  return join(POSTGRES.bin, name)
}

/** PostgreSQL does not run as root. */
function asOwner(): string[] {
  const user = ownUser()
  return user === undefined ? [] : ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups']
}
