import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const LAUNCHER = fileURLToPath(new URL('../../../bin/meterline.mjs', import.meta.url))

export interface ServiceProcess {
  readonly url: string
  readonly adminToken: string
  readonly child: ChildProcess
  /** SIGKILL, and wait until it is gone. */
  kill(): Promise<void>
  /** SIGTERM, and its exit code. */
  stop(): Promise<number | null>
}

export interface FinishedProcess {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Starts the service, or a part of it, as a process of its own and waits until it says that it is ready. Throws with its output if it ends. */
export async function startServiceProcess(
  environment: Record<string, string>,
  verb: 'start' | 'ingest' | 'aggregate' | 'api' = 'start',
): Promise<ServiceProcess> {
  const child = spawnMeterline([verb], { PORT: '0', RATE_LIMIT_PER_MINUTE: '0', EVENT_REQUESTS_PER_MINUTE: '0', AUTH_FAILURES_PER_MINUTE: '0', ...environment })
  const output: string[] = []
  child.stderr?.on('data', (chunk) => output.push(String(chunk)))
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      output.push(line)
      if (line.includes('"Meterline is ready"')) resolve((JSON.parse(line) as { url: string }).url)
    })
    child.once('exit', (code) => reject(new Error(`meterline ${verb} ended with code ${code}:\n${output.join('\n')}`)))
  })
  const adminToken = environment['ADMIN_TOKEN'] ?? readFileSync(join(environment['DATA_DIR'] ?? 'data', 'admin-token'), 'utf8').trim()
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
    return child.exitCode
  }
  return {
    url,
    adminToken,
    child,
    kill: async () => {
      await end('SIGKILL')
    },
    stop: () => end('SIGTERM'),
  }
}

/** Runs a verb to its end. */
export async function runMeterline(args: readonly string[], environment: Record<string, string> = {}): Promise<FinishedProcess> {
  const child = spawnMeterline(args, environment)
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk) => {
    stdout += String(chunk)
  })
  child.stderr?.on('data', (chunk) => {
    stderr += String(chunk)
  })
  await once(child, 'close')
  return { code: child.exitCode, stdout, stderr }
}

/** Without the variables of whoever runs the tests, so that none leaks in. */
export function spawnMeterline(args: readonly string[], environment: Record<string, string>): ChildProcess {
  const { PATH = '', HOME = '' } = process.env
  return spawn(process.execPath, [LAUNCHER, ...args], { env: { PATH, HOME, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] })
}
