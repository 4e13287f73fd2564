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
  /** Sends SIGKILL and waits for the exit. */
  kill(): Promise<void>
  /** Sends SIGTERM and returns the exit code. */
  stop(): Promise<number | null>
}

export interface FinishedProcess {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Starts the service, or a part of it, in its own process and waits until it is ready. Throws with its output if it exits. */
export async function startServiceProcess(
  environment: Record<string, string>,
  verb: 'start' | 'ingest' | 'aggregate' | 'api' = 'start',
  options: readonly string[] = [],
): Promise<ServiceProcess> {
  const child = spawnMeterline([verb, ...options], {
    PORT: '0',
    RATE_LIMIT_PER_MINUTE: '0',
    EVENT_REQUESTS_PER_MINUTE: '0',
    AUTH_FAILURES_PER_MINUTE: '0',
    ...environment,
  })
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

/** Runs a command until it exits. */
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

/** Passes on only PATH and HOME of the environment, so that a developer's own variables do not change a test. Nothing balances, so a stop does not drain. */
export function spawnMeterline(args: readonly string[], environment: Record<string, string>, stdin: 'ignore' | 'pipe' = 'ignore'): ChildProcess {
  const { PATH = '', HOME = '' } = process.env
  return spawn(process.execPath, [LAUNCHER, ...args], { env: { PATH, HOME, DRAIN_MS: '0', ...environment }, stdio: [stdin, 'pipe', 'pipe'] })
}
