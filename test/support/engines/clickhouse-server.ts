import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openClickHouse } from '../../../sql/clickhouse.ts'
import { makeTemporaryDirectory } from '../temporary-directory.ts'
import { freePort } from './free-port.ts'
import { endProcess, spawnBound } from './spawn-bound.ts'

export interface ClickHouseServer {
  readonly url: string
  /** Its process. */
  readonly pid: number
  /** Sends SIGKILL and waits for the exit. */
  kill(): Promise<void>
}

export interface TestClickHouse {
  /** Returns a CLICKHOUSE_URL with a new database. */
  newDatabase(): string
  /**
   * The database `meterline`, as the users of docs/operating/clickhouse-users.xml see it: a CLICKHOUSE_URL for each part. Undefined on
   * a server that was not started here.
   */
  readonly ofPart: Readonly<Record<DatabaseUser, string>> | undefined
  stop(): Promise<void>
}

/** A user that may read every database and write to none, in the servers that are started here. The password is its name. */
export const READER = 'reader'

/** The users of docs/operating/clickhouse-users.xml, by the part that has each. */
export const DATABASE_USERS = { migrate: 'meterline', ingest: 'meterline_ingest', aggregate: 'meterline_aggregate', api: 'meterline_api' } as const
export type DatabaseUser = keyof typeof DATABASE_USERS
export const USERS_FILE = fileURLToPath(new URL('../../../docs/operating/clickhouse-users.xml', import.meta.url))
/** The user of docs/operating/kubernetes-shards, and the secret of shards. */
const ALSO_INCLUDED = { meterline_all_parts: sha256('meterline_all_parts'), meterline_shards: 'a secret of shards' }

/** A ClickHouse server for one test file: the one at CLICKHOUSE_URL, otherwise one that is started here. */
export async function clickHouseForTests(): Promise<TestClickHouse> {
  const given = process.env['CLICKHOUSE_URL']
  if (given === undefined || given === '') return startForTests()
  const made: string[] = []
  const newDatabase = () => {
    const url = withNewDatabase(given)
    made.push(url)
    return url
  }
  return {
    newDatabase,
    ofPart: undefined,
    stop: async () => {
      for (const url of made) await dropDatabase(url)
    },
  }
}

export interface ClickHouseServerOptions {
  /** Kept when the server ends, so that another one can continue with its data. */
  readonly dataDir: string
  /** By default a free one. */
  readonly port?: number
  /** Whether `dataDir` is removed when the server ends. */
  readonly temporary?: boolean
  readonly native?: NativeInterface
}

/** The interface through which other servers read this one. */
export interface NativeInterface {
  readonly port: number
  /** XML for the configuration of the server. */
  readonly configuration: string
  /** Files of its config.d, by their names. The path of the passwords in them is replaced. */
  readonly files?: Readonly<Record<string, string>>
}

/**
 * Starts ClickHouse with its own HTTP interface, on the loopback interface and in its own process, which ends with this one. Throws
 * with its output if it ends before it listens.
 */
export async function startClickHouseServer({ dataDir, port, temporary = false, native }: ClickHouseServerOptions): Promise<ClickHouseServer> {
  const listening = port ?? (await freePort())
  const [config, ready] = [join(dataDir, 'config.xml'), join(dataDir, 'listening')]
  mkdirSync(dataDir, { recursive: true })
  writeFileSync(config, configOf(config, native?.configuration))
  addDatabaseUsers(dataDir, native?.files)
  rmSync(ready, { force: true })
  const { PATH = '', HOME = '' } = process.env
  const server = ['--config-file', config, `--path=${dataDir}`, `--http_port=${listening}`, '--listen_host=127.0.0.1']
  const ofNative = native === undefined ? [] : [`--tcp_port=${native.port}`, '--interactive']
  const started = [...server, ...ofNative, '--query', statementsOf(ready, native !== undefined)]
  const child = spawnBound([process.execPath, '--import', 'tsx', MAIN, ...started], {
    cwd: ROOT,
    env: { PATH, HOME },
    ...(native !== undefined && { stdin: TERMINAL }),
    ...(temporary && { temporaryDirectory: dataDir }),
  })
  const output: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => output.push(String(chunk)))
  const ended = once(child, 'close').then(([code, signal]) => {
    throw new Error(`The ClickHouse server ended with ${signal ?? `code ${code}`} before it listened:\n${output.join('')}`)
  })
  ended.catch(() => {})
  await Promise.race([untilWritten(ready), ended])
  return { url: `http://127.0.0.1:${listening}`, pid: child.pid ?? 0, kill: () => endProcess(child, 'SIGKILL') }
}

const MAIN = fileURLToPath(new URL('./clickhouse-server-main.ts', import.meta.url))
const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
/**
 * In 26.7, which is ClickHouse's program for local work, a fault of a connection ends the whole process, such as one whose other end was killed,
 * unless a user could type (ClickHouse issue 115666; a server logs it). So it gets a terminal, at which there is no user.
 */
const TERMINAL = '/dev/ptmx'
const CHECK_EVERY_MS = 20
/** A block of the statement that never ends takes this long, and by default a block may not sleep longer. */
const SLEEP_SECONDS = 3

/** The file is written once the server listens. The last statement never ends, so that the server does not either. */
function statementsOf(ready: string, isNative: boolean): string {
  return `SYSTEM START LISTEN HTTP;${isNative ? ' SYSTEM START LISTEN TCP;' : ''}
    SELECT getServerPort('http_port') INTO OUTFILE '${ready}' FORMAT TabSeparated;
    SELECT sleepEachRow(${SLEEP_SECONDS}) FROM system.numbers SETTINGS max_block_size = 1 FORMAT Null`
}

/** A server that is started with a configuration reads its users from a file too; it is the same one. */
function configOf(path: string, more = ''): string {
  const local = '<networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>'
  return `<clickhouse>
    <users_config>${path}</users_config>
    <profiles><default/></profiles>
    <quotas><default/></quotas>
    ${more}
    <users>
      <default><password/>${local}</default>
      <${READER}><password>${READER}</password>${local}<grants><query>GRANT SELECT ON *.*</query></grants></${READER}>
    </users>
  </clickhouse>\n`
}

/** The file that operators use, in the directory that is merged into the configuration. Only the place of the passwords is another one. */
function addDatabaseUsers(dataDir: string, more: Readonly<Record<string, string>> = {}): void {
  const [folder, passwords] = [join(dataDir, 'config.d'), join(dataDir, 'passwords.xml')]
  const included = [...Object.values(DATABASE_USERS).map((name) => [name, sha256(name)]), ...Object.entries(ALSO_INCLUDED)]
  writeFileSync(passwords, `<clickhouse>${included.map(([name, text]) => `<${name}>${text}</${name}>`).join('')}</clickhouse>`)
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of Object.entries({ 'users.xml': readFileSync(USERS_FILE, 'utf8'), ...more }))
    writeFileSync(join(folder, name), text.replace('/run/secrets/meterline/clickhouse.xml', passwords))
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

async function untilWritten(path: string): Promise<void> {
  while (!isWritten(path)) await new Promise((resolve) => setTimeout(resolve, CHECK_EVERY_MS))
}

function isWritten(path: string): boolean {
  try {
    return readFileSync(path, 'utf8').endsWith('\n')
  } catch {
    return false
  }
}

async function startForTests(): Promise<TestClickHouse> {
  const server = await startClickHouseServer({ dataDir: makeTemporaryDirectory().path, temporary: true })
  const ofPart = Object.fromEntries(Object.entries(DATABASE_USERS).map(([part, user]) => [part, asUser(server.url, user)])) as Record<DatabaseUser, string>
  return { newDatabase: () => withNewDatabase(server.url), ofPart, stop: server.kill }
}

function asUser(server: string, user: string): string {
  const url = new URL(server)
  url.username = user
  url.password = user
  url.pathname = '/meterline'
  return url.toString()
}

function withNewDatabase(server: string): string {
  const url = new URL(server)
  url.pathname = `/meterline_test_${randomBytes(6).toString('hex')}`
  return url.toString()
}

async function dropDatabase(url: string): Promise<void> {
  const clickhouse = await openClickHouse({ engine: 'server', url })
  await clickhouse.control.command(`DROP DATABASE ${new URL(url).pathname.slice(1)} SYNC`)
  await clickhouse.close()
}
