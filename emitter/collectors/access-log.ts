import { createHash } from 'node:crypto'
import type { CumulativeMetric } from '../event.ts'
import { type LogLine, parseLogLine } from './access-log-line.ts'
import { type Collection, IgnoredCount, type Sample } from './collection.ts'
import { type Line, readLines } from './read-lines.ts'

export interface AccessLogOptions {
  /** The content of one log file, unpacked. */
  readonly chunks: AsyncIterable<Uint8Array>
  /** Whether nothing more is written to the file, as after its rotation. Else the last block waits for the line that ends it. */
  readonly isComplete: boolean
  readonly projectOf: (line: LogLine) => string | undefined
  /** What the bytes of bodies count for; undefined: they are not counted. */
  readonly bytesMetric?: CumulativeMetric | undefined
  /** What each request counts for; undefined: requests are not counted. */
  readonly callsMetric?: CumulativeMetric | undefined
  /** Whether a request with this status is a call. All are, by default. */
  readonly isCall?: ((status: number) => boolean) | undefined
  /** Part of the ids. Logs of different servers need different names, because their first lines may be equal. */
  readonly source?: string | undefined
}

/** A longer block ends, so that memory is bounded. */
const BLOCK_LINES_MAX = 100_000
/** 128 bits. */
const ID_HEX_DIGITS = 32

/**
 * Sums bytes and calls of an access log in the combined format, per project and block. A block is a run of lines of the same UTC hour. The id of
 * a sum comes from the first line of the file and the place where the block begins, and a block is summed only when it has its end: so the same
 * log counts once, however often it is read, while it grows, and after it is rotated, renamed or compressed. A line that cannot be read is
 * reported and not counted.
 */
export async function collectAccessLog(options: AccessLogOptions): Promise<Collection> {
  const malformed = new IgnoredCount('malformed lines')
  const withoutProject = new IgnoredCount('lines without a project')
  const waiting = new IgnoredCount('lines that wait for the end of their hour')
  const samples: Sample[] = []
  let identity = ''
  let block: Block | undefined
  for await (const line of readLines(options.chunks)) {
    if (!line.isEnded && !options.isComplete) {
      waiting.add(`line ${line.number}`)
      break
    }
    if (line.number === 1) identity = hashOf([options.source ?? '', line.bytes.toString('base64')])
    const read = parseLogLine(line.bytes.toString('utf8'))
    if (read === undefined) {
      malformed.add(`line ${line.number}`)
      continue
    }
    if (block === undefined || block.hourMs !== read.hourMs || block.lines === BLOCK_LINES_MAX) {
      if (block !== undefined) addSamples(samples, block, identity)
      block = newBlock(line, read)
    }
    block.lines += 1
    const project = options.projectOf(read)
    if (project === undefined) withoutProject.add(`line ${line.number}`)
    else addLine(block, project, read, options)
  }
  if (block !== undefined && options.isComplete) addSamples(samples, block, identity)
  else if (block !== undefined) waiting.add(`from line ${block.firstLine}`, block.lines)
  return { samples, failures: [], ignored: [...malformed.list(), ...withoutProject.list(), ...waiting.list()] }
}

interface Block {
  readonly hourMs: number
  readonly firstLine: number
  lines: number
  /** By metric, then by project. */
  readonly sums: Map<CumulativeMetric, Map<string, bigint>>
}

function newBlock({ number }: Line, { hourMs }: LogLine): Block {
  return { hourMs, firstLine: number, lines: 0, sums: new Map() }
}

function addLine(block: Block, project: string, { bytes, status }: LogLine, { bytesMetric, callsMetric, isCall = () => true }: AccessLogOptions): void {
  if (bytesMetric !== undefined) addTo(block, bytesMetric, project, bytes)
  if (callsMetric !== undefined && isCall(status)) addTo(block, callsMetric, project, 1n)
}

function addTo({ sums }: Block, metric: CumulativeMetric, project: string, amount: bigint): void {
  let projects = sums.get(metric)
  if (projects === undefined) {
    projects = new Map()
    sums.set(metric, projects)
  }
  projects.set(project, (projects.get(project) ?? 0n) + amount)
}

function addSamples(samples: Sample[], { hourMs, firstLine, sums }: Block, identity: string): void {
  const timestamp = new Date(hourMs).toISOString()
  const place = hashOf([identity, String(firstLine)])
  for (const [metric, projects] of sums)
    for (const [project_id, sum] of projects)
      if (sum > 0n) samples.push({ event_id: `log/${metric}/${place}`, project_id, metric, value: String(sum), timestamp })
}

function hashOf(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, ID_HEX_DIGITS)
}
