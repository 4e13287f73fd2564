import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { openClickHouse } from '../../../sql/clickhouse.ts'
import { makeTemporaryDirectory } from '../temporary-directory.ts'

export interface ClickHouseServer {
  readonly url: string
  /** Sends SIGKILL and waits for the exit. */
  kill(): Promise<void>
  /** Sends SIGTERM and waits for the exit. */
  stop(): Promise<void>
}

export interface TestClickHouse {
  /** Returns a CLICKHOUSE_URL with a new database. */
  newDatabase(): string
  stop(): Promise<void>
}

/** A ClickHouse server for one test file: the one at CLICKHOUSE_URL, otherwise a substitute over the embedded engine. */
export async function clickHouseForTests(): Promise<TestClickHouse> {
  const given = process.env['CLICKHOUSE_URL']
  if (given === undefined || given === '') return startSubstitute()
  const made: string[] = []
  const newDatabase = () => {
    const url = withNewDatabase(given)
    made.push(url)
    return url
  }
  return {
    newDatabase,
    stop: async () => {
      for (const url of made) await dropDatabase(url)
    },
  }
}

/** Starts the substitute in its own process. Given a port, it can replace another one at the same address. */
export async function startClickHouseServer({ dataDir, port = 0 }: { dataDir: string; port?: number }): Promise<ClickHouseServer> {
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, dataDir, String(port)], {
    cwd: ROOT,
    env: { PATH, HOME, UV_THREADPOOL_SIZE: String(THREADS) },
    stdio: ['pipe', 'pipe', 'pipe'], // its stdin ends when this process is gone
  })
  const output: string[] = []
  child.stderr.on('data', (chunk) => output.push(String(chunk)))
  const listening = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const match = /^port (\d+)$/.exec(line)
      if (match?.[1] !== undefined) resolve(match[1])
    })
    child.once('exit', (code) => reject(new Error(`The substitute for a ClickHouse server ended with code ${code}:\n${output.join('')}`)))
  })
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }
  return { url: `http://127.0.0.1:${listening}`, kill: () => end('SIGKILL'), stop: () => end('SIGTERM') }
}

const MAIN = fileURLToPath(new URL('./clickhouse-server-main.ts', import.meta.url))
const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
/** A running statement occupies a thread, and Node's default is 4. */
const THREADS = 16

async function startSubstitute(): Promise<TestClickHouse> {
  const directory = makeTemporaryDirectory()
  const server = await startClickHouseServer({ dataDir: directory.path })
  return {
    newDatabase: () => withNewDatabase(server.url),
    stop: async () => {
      await server.stop()
      directory.remove()
    },
  }
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
