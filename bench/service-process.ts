import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Closers } from '../cli/closers.ts'

export interface ServiceProcess {
  readonly url: string
  readonly adminToken: string
  rssBytes(): Promise<number>
  stop(): Promise<void>
}

/** Starts Meterline as it runs in production: a process of its own, the embedded engine, fsync on; without request limits. */
export async function startServiceProcess(dataDir: string, closers: Closers): Promise<ServiceProcess> {
  const environment = { DATA_DIR: dataDir, PORT: '0', LOG_LEVEL: 'info', RATE_LIMIT_PER_MINUTE: '0', EVENT_REQUESTS_PER_MINUTE: '0' }
  // The flag as it stands in the launcher's first line and in `npm start`.
  const child = spawn(process.execPath, ['--max-semi-space-size=64', LAUNCHER, 'start'], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const stop = async () => {
    child.kill('SIGTERM')
    await exited
  }
  closers.add(stop)
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.includes('"Meterline is ready"')) resolve((JSON.parse(line) as { url: string }).url)
    })
    exited.then(([code]) => reject(new Error(`The service ended with code ${code} before it was ready.`)))
  })
  const adminToken = readFileSync(join(dataDir, 'admin-token'), 'utf8').trim()
  return { url, adminToken, stop, rssBytes: () => readRss(url) }
}

const LAUNCHER = fileURLToPath(new URL('../bin/meterline.mjs', import.meta.url))

async function readRss(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text()
  const bytes = /^process_resident_memory_bytes (\d+)/m.exec(metrics)?.[1]
  if (bytes === undefined) throw new Error('The service does not tell its memory.')
  return Number(bytes)
}
