import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Closers } from '../service/closers.ts'

export interface ServiceProcess {
  readonly url: string
  readonly adminToken: string
  rssBytes(): Promise<number>
  /** The current metrics of the service; a metric with labels is summed over them. */
  metrics(): Promise<ReadonlyMap<string, number>>
  stop(): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
}

export interface ServiceOptions {
  /** Variables in addition to those of every measurement. */
  readonly environment?: Readonly<Record<string, string>> | undefined
  /** By default the whole service. */
  readonly part?: 'start' | 'ingest' | 'api' | undefined
  /** Called with every line of its log. */
  readonly onLine?: (line: string) => void
}

/** Starts Meterline as it runs in production, as a separate process with fsync and, by default, the embedded engine, but without request limits. */
export async function startServiceProcess(dataDir: string, closers: Closers, options: ServiceOptions = {}): Promise<ServiceProcess> {
  const environment: Record<string, string> = {
    ...options.environment,
    DATA_DIR: dataDir,
    PORT: '0',
    DRAIN_MS: '0',
    LOG_LEVEL: 'info',
    RATE_LIMIT_PER_MINUTE: '0',
    EVENT_REQUESTS_PER_MINUTE: '0',
  }
  // The same flag as in the launcher's first line and in `npm start`.
  const child = spawn(process.execPath, ['--max-semi-space-size=64', LAUNCHER, options.part ?? 'start'], {
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal)
    await exited
  }
  const stop = () => end('SIGTERM')
  closers.add(stop)
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      options.onLine?.(line)
      if (line.includes('"Meterline is ready"')) resolve((JSON.parse(line) as { url: string }).url)
    })
    exited.then(([code]) => reject(new Error(`The service ended with code ${code} before it was ready.`)))
  })
  const adminToken = environment['ADMIN_TOKEN'] ?? readFileSync(join(dataDir, 'admin-token'), 'utf8').trim()
  return { url, adminToken, stop, kill: () => end('SIGKILL'), metrics: () => readMetrics(url), rssBytes: () => readRss(url) }
}

const LAUNCHER = fileURLToPath(new URL('../bin/meterline.mjs', import.meta.url))

async function readRss(url: string): Promise<number> {
  const bytes = (await readMetrics(url)).get('process_resident_memory_bytes')
  if (bytes === undefined) throw new Error('The metrics of the service have no process_resident_memory_bytes.')
  return bytes
}

async function readMetrics(url: string): Promise<ReadonlyMap<string, number>> {
  const sums = new Map<string, number>()
  for (const [, name = '', value] of (await (await fetch(`${url}/metrics`)).text()).matchAll(/^(\w+)(?:\{.*\})? (\S+)$/gm))
    sums.set(name, (sums.get(name) ?? 0) + Number(value))
  return sums
}
