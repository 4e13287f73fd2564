import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { openClickHouse } from '../../sql/clickhouse.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

export interface ClickHouseServer {
  readonly url: string
  /** SIGKILL, and wait until it is gone. */
  kill(): Promise<void>
  /** SIGTERM, and wait until it is gone. */
  stop(): Promise<void>
}

export interface TestDatabase {
  /** A CLICKHOUSE_URL whose database nobody else uses. */
  readonly url: string
  stop(): Promise<void>
}

/** A ClickHouse server for one test file: the one at CLICKHOUSE_URL, else a stand-in over the embedded engine. */
export async function clickHouseForTests(): Promise<TestDatabase> {
  const given = process.env['CLICKHOUSE_URL']
  if (given === undefined || given === '') return standIn()
  const database = `meterline_test_${randomBytes(6).toString('hex')}`
  const url = new URL(given)
  url.pathname = `/${database}`
  return { url: url.toString(), stop: () => dropDatabase(url.toString(), database) }
}

/** Starts the stand-in as a process of its own. A port can be given so that one follows another at the same address. */
export async function startClickHouseServer({ dataDir, port = 0 }: { dataDir: string; port?: number }): Promise<ClickHouseServer> {
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, dataDir, String(port)], {
    cwd: ROOT,
    env: { PATH, HOME, UV_THREADPOOL_SIZE: String(THREADS) },
    stdio: ['pipe', 'pipe', 'pipe'], // stdin tells it when this process is gone
  })
  const output: string[] = []
  child.stderr.on('data', (chunk) => output.push(String(chunk)))
  const listening = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const match = /^port (\d+)$/.exec(line)
      if (match?.[1] !== undefined) resolve(match[1])
    })
    child.once('exit', (code) => reject(new Error(`The stand-in for a ClickHouse server ended with code ${code}:\n${output.join('')}`)))
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
const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** A running statement holds a thread, and Node's default is 4. */
const THREADS = 16

async function standIn(): Promise<TestDatabase> {
  const directory = makeTemporaryDirectory()
  const server = await startClickHouseServer({ dataDir: directory.path })
  return {
    url: `${server.url}/meterline_test`,
    stop: async () => {
      await server.stop()
      directory.remove()
    },
  }
}

async function dropDatabase(url: string, database: string): Promise<void> {
  const clickhouse = await openClickHouse({ engine: 'server', url })
  await clickhouse.control.command(`DROP DATABASE ${database} SYNC`)
  await clickhouse.close()
}
