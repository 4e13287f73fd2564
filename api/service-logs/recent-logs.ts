import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { LOG_LEVELS, LOG_LINES_MAX, LOG_SOURCES, type LogLevel, type LogSource } from '../../contract/service-logs.ts'

/** Of each source, so that the requests of a busy API do not push out what another part said. */
const SOURCE_BYTES_MAX = 512 * 1_024
/** A longer line is kept as a remark that it was too long. */
const LINE_CHARACTERS_MAX = 16 * 1_024
const INSTANCE_BYTES = 6

/** A line as it was logged, which may hold secrets: it is filtered when it is read (visible-line.ts). */
export interface KeptLine {
  readonly seq: number
  readonly level: LogLevel
  readonly source: LogSource
  readonly timeMs: number
  readonly text: string
}

export interface RecentQuery {
  readonly source: LogSource | undefined
  readonly level: LogLevel | undefined
  readonly limit: number
  /** Cursors of earlier answers of any process. */
  readonly after: readonly string[] | undefined
}

export interface RecentAnswer {
  readonly lines: readonly KeptLine[]
  readonly cursor: string
  readonly gap: 'dropped' | 'other_process' | null
}

/** The latest lines that this process logged, in memory. Adding a line is cheap: it is parsed when somebody reads it. */
export class RecentLogs {
  readonly process = { host: hostname(), pid: process.pid, startedMs: Date.now() }
  readonly #instance = randomBytes(INSTANCE_BYTES).toString('base64url')
  readonly #rings = new Map(LOG_SOURCES.map((source) => [source, new Ring()]))
  #seq = 0

  /** Takes a line of pino, before it is written. */
  add(text: string): void {
    const [, level = '', timeMs = '', source = 'service'] = HEAD.exec(text) ?? []
    const name = LEVEL_NAMES[level]
    if (name === undefined) return
    const kept = text.length > LINE_CHARACTERS_MAX ? JSON.stringify({ msg: `A line of ${text.length} characters is only in the output of the process.` }) : text
    const known = LOG_SOURCES.find((each) => each === source) ?? 'service'
    this.#seq += 1
    this.#rings.get(known)?.add({ seq: this.#seq, level: name, source: known, timeMs: Number(timeMs), text: kept })
  }

  /** The last lines, or those that follow a cursor, oldest first. */
  read({ source, level, limit, after }: RecentQuery): RecentAnswer {
    const rings = LOG_SOURCES.flatMap((each) => (source === undefined || source === each ? [this.#rings.get(each)] : [])).filter((ring) => ring !== undefined)
    const since = after === undefined ? undefined : this.#seqOf(after)
    const from = since ?? 0
    const accepts = (line: KeptLine) => line.seq > from && (level === undefined || LOG_LEVELS.indexOf(line.level) >= LOG_LEVELS.indexOf(level))
    const lines = rings.flatMap((ring) => ring.lines.filter(accepts)).sort((one, other) => one.seq - other.seq)
    const shown = after === undefined ? lines.slice(-limit) : lines.slice(0, limit)
    const isCut = after !== undefined && lines.length > limit
    return {
      lines: shown,
      cursor: `${this.#instance}.${isCut ? shown.at(-1)?.seq : this.#seq}`,
      gap: after === undefined ? null : since === undefined ? 'other_process' : rings.some(({ droppedSeq }) => droppedSeq > from) ? 'dropped' : null,
    }
  }

  #seqOf(cursors: readonly string[]): number | undefined {
    const own = cursors.findLast((cursor) => cursor.startsWith(`${this.#instance}.`))
    return own === undefined ? undefined : Number(own.slice(this.#instance.length + 1))
  }
}

/** How pino begins a line; the source is the first binding of a child logger. */
const HEAD = /^\{"level":(\d+),"time":(\d+)(?:,"pid":\d+,"hostname":"[^"]*")?(?:,"source":"(\w+)")?/
const LEVEL_NAMES: Readonly<Record<string, LogLevel>> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' }

class Ring {
  readonly lines: KeptLine[] = []
  /** The last line that was dropped. */
  droppedSeq = 0
  #bytes = 0

  add(line: KeptLine): void {
    this.lines.push(line)
    this.#bytes += Buffer.byteLength(line.text)
    while (this.lines.length > LOG_LINES_MAX || this.#bytes > SOURCE_BYTES_MAX) {
      const dropped = this.lines.shift()
      if (dropped === undefined) return
      this.#bytes -= Buffer.byteLength(dropped.text)
      this.droppedSeq = dropped.seq
    }
  }
}
