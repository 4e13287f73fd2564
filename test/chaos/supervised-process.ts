import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, type WriteStream, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterMs } from './clock.ts'

const LAUNCHER = fileURLToPath(new URL('../../bin/meterline.mjs', import.meta.url))
const SHIFTED_CLOCK = fileURLToPath(new URL('./shifted-clock.mjs', import.meta.url))
const RESTART_AFTER_MS = 1_000
const LEAVE_MS_MAX = 30_000

export interface SupervisedOptions {
  readonly name: string
  readonly verb: 'ingest' | 'api' | 'aggregate'
  readonly environment: Readonly<Record<string, string>>
  readonly logsDirectory: string
}

/** A process of the service that is restarted whenever it ends, as by a supervisor, unless it was stopped on purpose. */
export class SupervisedProcess {
  readonly name: string
  /** Unexpected ends, each with the last line of the output. */
  readonly unexpectedEnds: string[] = []
  /** Where it listens; undefined until it is ready. */
  url: string | undefined
  /** How often it was started. */
  starts = 0
  #child: ChildProcess | undefined
  #shouldRun = false
  readonly #options: SupervisedOptions
  readonly #output: WriteStream
  readonly #clockFile: string

  constructor(options: SupervisedOptions) {
    this.name = options.name
    this.#clockFile = join(options.logsDirectory, `${options.name}.clock`)
    this.#options = options
    this.#output = createWriteStream(join(options.logsDirectory, `${options.name}.log`))
  }

  get running(): boolean {
    return this.#shouldRun && this.#child !== undefined
  }

  start(): void {
    this.#shouldRun = true
    if (this.#child === undefined) this.#spawn()
  }

  /** Sends SIGKILL as soon as it runs, even if it is not ready yet. Resolves when it has ended. */
  async kill(downMs: number): Promise<void> {
    while (this.#child === undefined) await afterMs(50)
    const child = this.#child
    const exited = once(child, 'exit')
    this.#endExpected.add(child)
    child.kill('SIGKILL')
    await exited
    void this.#startAfter(downMs)
  }

  /** Sends SIGSTOP, and SIGCONT later, when other processes may own its partitions. */
  async freeze(frozenMs: number): Promise<void> {
    while (this.#child === undefined) await afterMs(50)
    const child = this.#child
    child.kill('SIGSTOP')
    void afterMs(frozenMs).then(() => child.kill('SIGCONT'))
  }

  /** Sets its system clock so many ms ahead, unless it is starting. A new process has the right time. */
  setClock(aheadMs: number): void {
    if (this.url === undefined) return
    writeFileSync(this.#clockFile, String(aheadMs))
    this.#output.write(`--- ${new Date().toISOString()} clock ${aheadMs} ms ahead\n`)
    this.#child?.kill('SIGUSR2')
  }

  /** Sends SIGTERM, after which it must end gracefully and in time. */
  async leave(): Promise<void> {
    this.#shouldRun = false
    const child = this.#child
    if (child === undefined) return
    const exited = once(child, 'exit')
    this.#endExpected.add(child)
    child.kill('SIGCONT')
    child.kill('SIGTERM')
    const late = afterMs(LEAVE_MS_MAX).then(() => child.kill('SIGKILL') && this.unexpectedEnds.push(`did not leave within ${LEAVE_MS_MAX} ms of SIGTERM`))
    void late
    const [code] = await exited
    if (code !== 0 && code !== null) this.unexpectedEnds.push(`left with exit code ${code}: ${this.#lastLine}`)
    void this.#startAfter(0) // if it was started again in the meantime
  }

  /** Kills it immediately and does not restart it. */
  end(): void {
    this.#shouldRun = false
    this.#child?.kill('SIGKILL')
  }

  readonly #endExpected = new WeakSet<ChildProcess>()
  #lastLine = ''

  async #startAfter(ms: number): Promise<void> {
    await afterMs(ms)
    if (this.#shouldRun && this.#child === undefined) this.#spawn()
  }

  #spawn(): void {
    const { verb, environment } = this.#options
    const { PATH = '', HOME = '' } = process.env
    const env = { PATH, HOME, CLOCK_FILE: this.#clockFile, ...environment }
    const child = spawn(process.execPath, ['--import', SHIFTED_CLOCK, LAUNCHER, verb], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    this.starts += 1
    this.url = undefined
    this.#output.write(`--- ${new Date().toISOString()} start ${this.starts}, process ${child.pid}\n`)
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.#output.write(`${line}\n`)
        this.#lastLine = line
        if (line.includes('"Meterline is ready"') && this.#child === child) this.url = (JSON.parse(line) as { url: string }).url
      })
    }
    child.once('exit', (code, signal) => {
      this.#output.write(`--- ${new Date().toISOString()} ended: ${signal ?? code}\n`)
      this.#child = undefined
      this.url = undefined
      if (this.#endExpected.has(child) || !this.#shouldRun) return
      this.unexpectedEnds.push(`${signal ?? `exit code ${code}`}: ${this.#lastLine.slice(0, LINE_CHARACTERS_MAX)}`)
      void this.#startAfter(RESTART_AFTER_MS)
    })
  }
}

const LINE_CHARACTERS_MAX = 300
