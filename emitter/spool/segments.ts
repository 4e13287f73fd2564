import { readdirSync, readFileSync, renameSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { readRecords, recordOf } from './record.ts'
import { SegmentFile } from './segment-file.ts'

/** A file of events, which is deleted when all of them have their outcome. */
export interface Segment {
  readonly path: string
  bytes: number
  /** Events in the file that have no outcome. */
  open: number
  /** Whether they are in memory too; otherwise the file is read when there is room. */
  isLoaded: boolean
  /** Whether the file has lines that cannot be read, so that it is kept for a person. */
  readonly isDamaged: boolean
}

/** Writes and reads the segments of a folder. One process may use a folder at a time. */
export class Segments {
  readonly #folder: string
  readonly #onProblem: (message: string) => void
  #number: number
  #current: { readonly segment: Segment; readonly file: SegmentFile } | undefined

  constructor(folder: string, onProblem: (message: string) => void) {
    this.#folder = folder
    this.#onProblem = onProblem
    this.#number = Math.max(0, ...segmentNames(folder).map((name) => Number.parseInt(name, 10)))
  }

  /** The segments that earlier processes left, the oldest first. */
  left(): Segment[] {
    return segmentNames(this.#folder).map((name) => {
      const path = join(this.#folder, name)
      const content = readFileSync(path)
      const { texts, damaged } = readRecords(content.toString('utf8'))
      if (damaged > 0)
        this.#onProblem(`${path} has ${damaged} damaged ${damaged === 1 ? 'line' : 'lines'}. Its other events are sent; then it is kept as ${path}${DAMAGED}.`)
      return { path, bytes: content.length, open: texts.length, isLoaded: false, isDamaged: damaged > 0 }
    })
  }

  get current(): Segment | undefined {
    return this.#current?.segment
  }

  /** Begins a new segment. Throws if the disk does not allow it. */
  begin(isLoaded: boolean): Segment {
    this.end()
    this.#number += 1
    const path = join(this.#folder, `${String(this.#number).padStart(NAME_DIGITS, '0')}${EXTENSION}`)
    const segment = { path, bytes: 0, open: 0, isLoaded, isDamaged: false }
    this.#current = { segment, file: new SegmentFile(path, this.#onProblem) }
    return segment
  }

  /** Appends an event to the current segment. Throws if it is not written whole; then the segment must end, because its last line is torn. */
  append(text: string): void {
    if (this.#current === undefined) throw new Error('There is no current segment.')
    const { segment, file } = this.#current
    const record = Buffer.from(recordOf(text))
    const written = file.write(record)
    segment.bytes += written
    if (written < record.length) throw new Error(`Only ${written} of ${record.length} bytes were written to ${segment.path}.`)
    segment.open += 1
  }

  /** Throws if the file cannot be read. */
  read({ path }: Segment): string[] {
    return readRecords(readFileSync(path, 'utf8')).texts
  }

  /** Starts to sync what was appended to the disk. */
  sync(): void {
    this.#current?.file.sync()
  }

  /** No event is appended to the current segment any more. */
  end(): void {
    this.#current?.file.sync()
    this.#current?.file.close()
    this.#current = undefined
  }

  /** The same, but blocks until the segment is on the disk. */
  endNow(): void {
    this.#current?.file.syncNow()
    this.end()
  }

  remove(segment: Segment): void {
    if (this.#current?.segment === segment) {
      // Without a sync: it need not reach the disk any more.
      this.#current.file.close()
      this.#current = undefined
    }
    if (segment.isDamaged) renameSync(segment.path, `${segment.path}${DAMAGED}`)
    else unlinkSync(segment.path)
  }
}

const NAME_DIGITS = 12
const EXTENSION = '.events'
const DAMAGED = '.damaged'

function segmentNames(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(EXTENSION))
    .sort()
}
