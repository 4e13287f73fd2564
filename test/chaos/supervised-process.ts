import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterMs } from './clock.ts'

const LAUNCHER = fileURLToPath(new URL('../../bin/meterline.mjs', import.meta.url))
const STARTED_AGAIN_AFTER_MS = 1_000
const LEAVE_MS_MAX = 30_000

export interface SupervisedOptions {
  readonly name: string
  readonly verb: 'ingest' | 'api'
  readonly environment: Readonly<Record<string, string>>
  readonly logsDirectory: string
}

/** A process of the service that is started again whenever it ends, as by a supervisor, unless it was told to leave. */
export class SupervisedProcess {
  readonly name: string
  /** Ends that nobody asked for, with the last line that was said. */
  readonly endedByItself: string[] = []
  /** Where it listens; undefined until it says so. */
  url: string | undefined
  /** Which start this is. */
  starts = 0
  #child: ChildProcess | undefined
  #wanted = false
  readonly #options: SupervisedOptions
  readonly #output: WriteStream

  constructor(options: SupervisedOptions) {
    this.name = options.name
    this.#options = options
    this.#output = createWriteStream(join(options.logsDirectory, `${options.name}.log`))
  }

  get running(): boolean {
    return this.#wanted && this.#child !== undefined
  }

  start(): void {
    this.#wanted = true
    if (this.#child === undefined) this.#spawn()
  }

  /** SIGKILL, once it runs, even if it has not listened yet; resolves when it is gone. */
  async kill(downMs: number): Promise<void> {
    while (this.#child === undefined) await afterMs(50)
    const child = this.#child
    const exited = once(child, 'exit')
    this.#leaving.add(child)
    child.kill('SIGKILL')
    await exited
    void this.#startAfter(downMs)
  }

  /** SIGSTOP, and SIGCONT after a while, whoever has its partitions then. */
  async freeze(frozenMs: number): Promise<void> {
    while (this.#child === undefined) await afterMs(50)
    const child = this.#child
    child.kill('SIGSTOP')
    void afterMs(frozenMs).then(() => child.kill('SIGCONT'))
  }

  /** SIGTERM: it must end in good order, in time. */
  async leave(): Promise<void> {
    this.#wanted = false
    const child = this.#child
    if (child === undefined) return
    const exited = once(child, 'exit')
    this.#leaving.add(child)
    child.kill('SIGCONT')
    child.kill('SIGTERM')
    const late = afterMs(LEAVE_MS_MAX).then(() => child.kill('SIGKILL') && this.endedByItself.push(`did not leave within ${LEAVE_MS_MAX} ms of SIGTERM`))
    void late
    const [code] = await exited
    if (code !== 0 && code !== null) this.endedByItself.push(`left with exit code ${code}: ${this.#lastLine}`)
    void this.#startAfter(0) // where it was wanted again meanwhile
  }

  /** At once and for good. */
  end(): void {
    this.#wanted = false
    this.#child?.kill('SIGKILL')
  }

  readonly #leaving = new WeakSet<ChildProcess>()
  #lastLine = ''

  async #startAfter(ms: number): Promise<void> {
    await afterMs(ms)
    if (this.#wanted && this.#child === undefined) this.#spawn()
  }

  #spawn(): void {
    const { verb, environment } = this.#options
    const { PATH = '', HOME = '' } = process.env
    const child = spawn(process.execPath, [LAUNCHER, verb], { env: { PATH, HOME, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] })
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
      if (this.#leaving.has(child) || !this.#wanted) return
      this.endedByItself.push(`${signal ?? `exit code ${code}`}: ${this.#lastLine.slice(0, LINE_CHARACTERS_MAX)}`)
      void this.#startAfter(STARTED_AGAIN_AFTER_MS)
    })
  }
}

const LINE_CHARACTERS_MAX = 300
